"""`gridwarden keys`: the provider's signing keys, in files or in Vault; a running server follows by itself."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Table

from control_plane.config import Settings, load_settings
from control_plane.home import Home
from control_plane.signing_keys import key_source, vault_session
from identity.domain.jose.algorithms import ALGORITHMS
from identity.domain.jose.key_ring import PICKUP_S, KeyRing, KeyRings
from identity.service.keys.keychain import DAY_US, KeySource
from shared_kernel.clock import SystemClock, to_iso
from shared_kernel.errors import GridwardenError

app = typer.Typer(help="Signing keys of the provider: list, rotate.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
HomeOption = Annotated[Path | None, typer.Option("--home", help="Data directory; else GRIDWARDEN_HOME, else ./var.")]
_Answer = TypeVar("_Answer")


class NoKeysError(GridwardenError):
    """The home has never been started."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"{home} holds no signing keys: start it once with `gridwarden up`, or set GRIDWARDEN_HOME")


@app.command("list")
def list_keys(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """List the public keys: which sign now, which will be next, which only verify.

    Examples: gridwarden keys list; gridwarden keys list --json
    """
    settings = load_settings(home=home)
    _tell(_with_keys(settings, lambda source, now_us: source.load(now_us)), settings, as_json=as_json)


@app.command("rotate")
def rotate_keys(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """Let the next keys sign, keep the current ones for tokens that are under way, and make new next ones.

    A running server takes it up by itself, within a minute, and seals `keys_rotated`. Two rotations are at least
    sixteen minutes apart: until then somebody may not have seen the next key.

    Examples: gridwarden keys rotate; gridwarden keys rotate --home /var/lib/gridwarden --json
    """
    settings = load_settings(home=home)
    rings = _with_keys(settings, lambda source, now_us: source.rotate(now_us, algorithms=tuple(ALGORITHMS)))
    _tell(rings, settings, as_json=as_json)
    if not as_json:
        typer.echo(f"rotated; a running server signs with them within {PICKUP_S} s")


def _with_keys(settings: Settings, do: Callable[[KeySource, int], Awaitable[_Answer]]) -> _Answer:
    home = Home(settings.home.resolve())
    if settings.identity_keys == "file" and not (home.keys / "identity").is_dir():
        raise NoKeysError(home.root)
    return asyncio.run(_do(settings, home, do))


async def _do(settings: Settings, home: Home, do: Callable[[KeySource, int], Awaitable[_Answer]]) -> _Answer:
    now_us = SystemClock().now_us()
    vault = None if settings.identity_keys == "file" else vault_session(settings)
    try:
        return await do(await key_source(settings, home, vault, now_us), now_us)
    finally:
        if vault is not None:
            vault.close()


def _tell(rings: KeyRings, settings: Settings, *, as_json: bool) -> None:
    rows = [row for name, ring in rings.rings.items() for row in _rows(name, ring, settings.key_rotation_days)]
    if as_json:
        typer.echo(orjson.dumps(rows))
        return
    table = Table("algorithm", "generation", "kid", "made", "rotates")
    for row in rows:
        table.add_row(row["algorithm"], row["generation"], row["kid"], row["created_at"], row["rotates_at"] or "")
    Console(width=None if Console().is_terminal else 140).print(table)


def _rows(algorithm: str, ring: KeyRing, rotation_days: int) -> list[dict[str, Any]]:
    """Return the keys of a ring by generation; the one in use tells when its time is over."""
    due = to_iso(ring.next.created_at_us + rotation_days * DAY_US)
    held = [("current", ring.current), ("next", ring.next), ("previous", ring.previous),
            *(("waiting", key) for key in ring.waiting)]
    return [{"algorithm": algorithm, "generation": generation, "kid": key.kid, "created_at": to_iso(key.created_at_us),
             "rotates_at": due if generation == "current" else None} for generation, key in held if key is not None]
