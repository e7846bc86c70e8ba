"""`gridwarden keys`: the provider's signing keys, in files or in Vault; a running server follows by itself."""

from typing import Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from control_plane.cli.options import AsJson, HomeOption
from control_plane.config import load_settings

app = typer.Typer(help="Signing keys of the provider: list, rotate.", no_args_is_help=True)


@app.command("list")
def list_keys(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """List the public keys: which sign now, which will be next, which only verify.

    Examples: gridwarden keys list; gridwarden keys list --json
    """
    from control_plane.cli.key_desk import listed

    _tell(listed(load_settings(home=home)), as_json=as_json)


@app.command("rotate")
def rotate_keys(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """Let the next keys sign, keep the current ones for tokens that are under way, and make new next ones.

    A running server takes it up by itself, within a minute, and seals `keys_rotated`. Two rotations are at least
    sixteen minutes apart: until then somebody may not have seen the next key.

    Examples: gridwarden keys rotate; gridwarden keys rotate --home /var/lib/gridwarden --json
    """
    from control_plane.cli.key_desk import rotated

    _tell(rotated(load_settings(home=home)), as_json=as_json)
    if not as_json:
        typer.echo("rotated; a running server signs with them within a minute")


def _tell(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps(rows))
        return
    table = Table("algorithm", "generation", "kid", "made", "rotates")
    for row in rows:
        table.add_row(row["algorithm"], row["generation"], row["kid"], row["created_at"], row["rotates_at"] or "")
    Console(width=None if Console().is_terminal else 140).print(table)
