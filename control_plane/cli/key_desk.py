"""What `gridwarden keys` does, on the home's files or in Vault."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from control_plane.config import Settings
from control_plane.home import Home
from control_plane.signing_keys import key_source, vault_session
from identity.domain.jose.algorithms import ALGORITHMS
from identity.domain.jose.key_ring import KeyRing, KeyRings
from identity.service.keys.keychain import DAY_US, KeySource
from shared_kernel.clock import SystemClock, to_iso
from shared_kernel.errors import GridwardenError

_Answer = TypeVar("_Answer")


class NoKeysError(GridwardenError):
    """The home has never been started."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"{home} holds no signing keys: start it once with `gridwarden up`, or set GRIDWARDEN_HOME")


def listed(settings: Settings) -> list[dict[str, Any]]:
    """Return the public keys, a row each."""
    return _rows_of(_with_keys(settings, lambda source, now_us: source.load(now_us)), settings)


def rotated(settings: Settings) -> list[dict[str, Any]]:
    """Move the rings on; return the keys as they are now."""
    rings = _with_keys(settings, lambda source, now_us: source.rotate(now_us, algorithms=tuple(ALGORITHMS)))
    return _rows_of(rings, settings)


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


def _rows_of(rings: KeyRings, settings: Settings) -> list[dict[str, Any]]:
    return [row for name, ring in rings.rings.items() for row in _rows(name, ring, settings.key_rotation_days)]


def _rows(algorithm: str, ring: KeyRing, rotation_days: int) -> list[dict[str, Any]]:
    """Return the keys of a ring by generation; the one in use tells when its time is over."""
    due = to_iso(ring.next.created_at_us + rotation_days * DAY_US)
    held = [("current", ring.current), ("next", ring.next), ("previous", ring.previous),
            *(("waiting", key) for key in ring.waiting)]
    return [{"algorithm": algorithm, "generation": generation, "kid": key.kid, "created_at": to_iso(key.created_at_us),
             "rotates_at": due if generation == "current" else None} for generation, key in held if key is not None]
