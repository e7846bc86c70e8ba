"""Keys in files only this user can read; the rings are one file, replaced whole, so it is never half-written.

Two processes on one home agree: whoever makes or rotates keys holds a lock, and looks again once it has it.
"""

import asyncio
import fcntl
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from identity.domain.jose.algorithms import ALGORITHMS
from identity.domain.jose.key_ring import SETTLING_S, KeyRings
from identity.domain.jose.ring_documents import from_document, to_document
from shared_kernel.errors import GridwardenError, InvalidInputError

_RINGS = "signing_rings.json"
_FIRST_RING = "signing_ring.json"
"""What version 0.1 kept: one ring, of ES256."""
_LOCK = "keys.lock"
_FORM_KEY = "form.key"
_FORM_KEY_BYTES = 32
_QUICK = ("ES256", "EdDSA")
"""Made at once at the first start; RSA keys take some tens of milliseconds each and are made in a thread."""


class UnsafeKeyFileError(GridwardenError):
    """A key file that others can read, or that is damaged, is not used."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the key file {name} is not usable: {why}")
        self.name = name


class KeyFiles:
    """Loads keys from `folder`, making them at the first start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._seen: tuple[int, ...] = ()
        self._rings = KeyRings({})

    def known(self, now_us: int) -> KeyRings:
        """Return what is there, with at least the rings that are made in no time."""
        return self._with(now_us, _QUICK)

    async def load(self, now_us: int) -> KeyRings:
        """Return every ring as it is now, making what is missing."""
        return await asyncio.to_thread(self._with, now_us, tuple(ALGORITHMS))

    async def rotate(self, now_us: int, *, algorithms: Iterable[str] = tuple(ALGORITHMS),
                     settling_s: int = SETTLING_S) -> KeyRings:
        """Move these rings on by one generation; raise ConflictError while it is too early for one of them."""
        return await asyncio.to_thread(self._rotated, now_us, settling_s, tuple(algorithms))

    def form_key(self) -> bytes:
        """Return the key that seals forms."""
        raw = self._read(_FORM_KEY)
        if raw is None:
            with self._locked():
                raw = self._read(_FORM_KEY)
                if raw is None:
                    raw = secrets.token_bytes(_FORM_KEY_BYTES)
                    self._write(_FORM_KEY, raw)
        if len(raw) != _FORM_KEY_BYTES:
            raise UnsafeKeyFileError(_FORM_KEY, "it is damaged: delete it, open login pages then start again")
        return raw

    def _with(self, now_us: int, wanted: tuple[str, ...]) -> KeyRings:
        rings = self._stored()
        if set(wanted) <= rings.rings.keys():
            return rings
        with self._locked():
            rings = self._stored()
            return self._keep(rings.with_missing(now_us, wanted))

    def _rotated(self, now_us: int, settling_s: int, algorithms: tuple[str, ...]) -> KeyRings:
        self._with(now_us, algorithms)
        with self._locked():
            return self._keep(self._stored().rotated(now_us, algorithms, settling_s=settling_s))

    def _stored(self) -> KeyRings:
        """Return what the file holds, parsed again only when it was replaced."""
        seen = self._identity(_RINGS)
        if seen and seen == self._seen:
            return self._rings
        raw = self._read(_RINGS)
        self._rings = self._first_ring() if raw is None else _parsed(raw, _RINGS, is_first=False)
        self._seen = seen
        return self._rings

    def _first_ring(self) -> KeyRings:
        raw = self._read(_FIRST_RING)
        return KeyRings({}) if raw is None else _parsed(raw, _FIRST_RING, is_first=True)

    def _keep(self, rings: KeyRings) -> KeyRings:
        self._write(_RINGS, orjson.dumps(to_document(rings)))
        (self._folder / _FIRST_RING).unlink(missing_ok=True)
        return self._stored()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _identity(self, name: str) -> tuple[int, ...]:
        try:
            found = (self._folder / name).stat()
        except FileNotFoundError:
            return ()
        return (found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode)

    def _read(self, name: str) -> bytes | None:
        path = self._folder / name
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            return None
        if stat.S_IMODE(mode) & 0o077:
            raise UnsafeKeyFileError(name, "others can read it. If nobody did, run chmod 600 on it")
        return path.read_bytes()

    def _write(self, name: str, raw: bytes) -> None:
        fresh = self._folder / f"{name}.{secrets.token_hex(4)}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._folder / name)
        self._sync_folder()

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _parsed(raw: bytes, name: str, *, is_first: bool) -> KeyRings:
    try:
        document = orjson.loads(raw)
        return from_document({"ES256": document} if is_first else document)
    except (InvalidInputError, ValueError) as cause:
        raise UnsafeKeyFileError(name, "it is damaged: restore it from a backup") from cause
