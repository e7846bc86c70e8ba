"""`gridwarden clients`: the OAuth clients of the provider, by a running gateway or on a stopped product's database."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Table

from control_plane.cli.options import AsJson, HomeOption, UrlOption
from shared_kernel.errors import GridwardenError, InvalidInputError
from shared_kernel.strict_json import parse_strict

if TYPE_CHECKING:  # the desks bring the whole product, which takes a second and is not needed for --help
    from control_plane.cli.client_desks import ClientDesk

app = typer.Typer(help="OAuth clients: list, import, invite, export, remove.", no_args_is_help=True)

Gateway = Annotated[str | None, typer.Option(
    "--gateway", help="URL of a running gateway; without it the database of a stopped product is opened.")]
Token = Annotated[str | None, typer.Option(
    "--token", envvar="GRIDWARDEN_TOKEN", help="An administrator's access token: see `gridwarden token`.")]
Ca = Annotated[Path | None, typer.Option("--ca", exists=True, dir_okay=False,
                                         help="PEM file of the authority of the gateway's certificate.")]
_Answer = TypeVar("_Answer")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Where:
    """Which provider: behind a gateway, or on a database."""

    gateway: str | None
    token: str | None
    ca: Path | None
    home: Path | None
    url: str | None


class NoTokenError(GridwardenError):
    """The gateway wants to know who asks."""

    def __init__(self) -> None:
        super().__init__("give an administrator's token: --token \"$(gridwarden token admin)\", or GRIDWARDEN_TOKEN")


@app.command("list")
def list_clients(*, gateway: Gateway = None, token: Token = None, ca: Ca = None,  # noqa: PLR0913 - one keyword an option
                 as_json: AsJson = False, home: HomeOption = None, url: UrlOption = None) -> None:
    """List the clients.

    Example: gridwarden clients list --gateway http://127.0.0.1:5000 --token "$(gridwarden token admin)"
    """
    found = _at(Where(gateway, token, ca, home, url), lambda desk: desk.listed())
    if as_json:
        typer.echo(orjson.dumps(found))
        return
    table = Table("client_id", "name", "profile", "authenticates by", "grants", "scope")
    for client in found:
        table.add_row(client["client_id"], client["client_name"], client["profile"],
                      client["token_endpoint_auth_method"], " ".join(client["grant_types"]), client["scope"])
    Console().print(table)


@app.command("import")
def import_clients(  # noqa: PLR0913 - one keyword an option
    file: Annotated[Path, typer.Argument(help="JSON: one client or a list, in the names of RFC 7591; - for stdin.")],
    *, is_trial: Annotated[bool, typer.Option("--dry-run", help="Change nothing; show what would change.")] = False,
    gateway: Gateway = None, token: Token = None, ca: Ca = None, as_json: AsJson = False, home: HomeOption = None,
    url: UrlOption = None,
) -> None:
    """Bring clients up to date from FILE: all of them or none. Importing the same file again changes nothing.

    Each needs a client_id. Static keys go into jwks; client_secret (32 characters and more) is optional: a client
    that needs one and names none gets one, shown this once.

    Example: gridwarden clients import clients.json --dry-run

    A file: {"client_id": "bank", "profile": "fapi2", "token_endpoint_auth_method": "private_key_jwt",
    "redirect_uris": ["https://bank.example/cb"], "jwks": {"keys": [...]}}
    """
    documents = _documents(file)
    found = _at(Where(gateway, token, ca, home, url), lambda desk: desk.bring(documents, is_trial=is_trial))
    if as_json:
        typer.echo(orjson.dumps(found))
        return
    for change in found:
        _tell(change)


@app.command("invite")
def invite(  # noqa: PLR0913 - one keyword an option
    *, uses: Annotated[int, typer.Option("--uses", help="How many clients may register with it.")] = 1,
    hours: Annotated[int, typer.Option("--hours", help="How long it works.")] = 24,
    scope: Annotated[str, typer.Option("--scope", help="Scopes beyond those of OpenID, parted by spaces.")] = "",
    grant: Annotated[list[str] | None, typer.Option("--grant", help="A grant type beyond the ordinary.")] = None,
    profile: Annotated[str | None, typer.Option("--profile", help="baseline or fapi2, binding.")] = None,
    gateway: Gateway = None, token: Token = None, ca: Ca = None, as_json: AsJson = False, home: HomeOption = None,
    url: UrlOption = None,
) -> None:
    """Print an initial access token, with which a client registers itself at /oauth2/register (RFC 7591).

    Example: gridwarden clients invite --uses 3 --hours 2 --profile fapi2
    """
    limits: dict[str, Any] = {"scopes": scope.split() or None, "grant_types": grant or None, "profile": profile}
    found = _at(Where(gateway, token, ca, home, url),
                lambda desk: desk.invite(uses=uses, expires_in_s=hours * 3_600, limits=limits))
    typer.echo(orjson.dumps(found) if as_json else found["initial_access_token"])


@app.command("export")
def export(*, gateway: Gateway = None, token: Token = None, ca: Ca = None, home: HomeOption = None,  # noqa: PLR0913 - one keyword an option
           url: UrlOption = None,
           client_id: Annotated[str | None, typer.Argument(help="One client; all of them without it.")] = None) -> None:
    """Print clients as `import` takes them; secrets are not in it, nobody knows them.

    Example: gridwarden clients export > clients.json
    """
    found = _at(Where(gateway, token, ca, home, url), lambda desk: desk.listed())
    kept = [_portable(client) for client in found if client_id in {None, client["client_id"]}]
    typer.echo(orjson.dumps(kept, option=orjson.OPT_INDENT_2))


@app.command("remove")
def remove(  # noqa: PLR0913 - one keyword an option
    client_id: Annotated[str, typer.Argument(help="The client's id.")],
    *, is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, gateway: Gateway = None,
    token: Token = None, ca: Ca = None, home: HomeOption = None, url: UrlOption = None,
) -> None:
    """Forget a client with all its grants: its tokens fail at the next request.

    Example: gridwarden clients remove bank --yes
    """
    if not is_sure:
        typer.confirm(f"Remove {client_id} and end everything it was granted?", abort=True)
    _at(Where(gateway, token, ca, home, url), lambda desk: desk.remove(client_id))
    typer.echo(f"removed {client_id}")


def _at(where: Where, work: Callable[["ClientDesk"], Awaitable[_Answer]]) -> _Answer:
    if where.gateway is not None and not where.token:
        raise NoTokenError

    from control_plane.cli.client_desks import at_database, at_gateway

    async def run() -> _Answer:
        opened = at_database(where.home, where.url) if where.gateway is None else at_gateway(
            where.gateway, where.token or "", where.ca)
        async with opened as desk:
            return await work(desk)

    return asyncio.run(run())


def _documents(file: Path) -> list[Json]:
    if str(file) == "-":
        raw = sys.stdin.buffer.read()
    else:
        try:
            raw = file.read_bytes()
        except OSError as cause:
            raise InvalidInputError(f"{file} cannot be read: {cause.strerror}") from cause
    value = parse_strict(raw)
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in found):
        raise InvalidInputError(f"{file} must hold one JSON object, or a list of them")
    return found


def _tell(change: Json) -> None:
    typer.echo(f"{change['action']:<9}  {change['client_id']}")
    for name, values in sorted(change["changed"].items()):
        if change["action"] == "updated":
            typer.echo(f"  - {name}: {_plain(values['before'])}")
        typer.echo(f"  + {name}: {_plain(values['after'])}")
    if "client_secret" in change:
        typer.echo(f"  client_secret (shown this once): {change['client_secret']}")


def _plain(value: object) -> str:
    return orjson.dumps(value).decode()


def _portable(client: Json) -> Json:
    return {name: value for name, value in client.items()
            if name not in {"client_id_issued_at", "first_party", "public", "created_at", "updated_at"}}
