"""Keys in files only this user can read; the ring is one file, replaced whole, so it is never half-written."""

import os
import secrets
import stat
from pathlib import Path

import orjson

from identity.domain.jose.key_ring import KeyRing, SigningKey
from shared_kernel.errors import GridwardenError, InvalidInputError

_RING = "signing_ring.json"
_FORM_KEY = "form.key"
_FORM_KEY_BYTES = 32


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

    def ring(self, now_us: int) -> KeyRing:
        """Return the ring of signing keys."""
        raw = self._read(_RING)
        if raw is None:
            return self._keep(KeyRing.generate(now_us))
        try:
            found = {name: SigningKey.from_jwk(document) for name, document in orjson.loads(raw).items() if document}
            return KeyRing(**found)
        except (InvalidInputError, ValueError, TypeError, AttributeError) as cause:
            raise UnsafeKeyFileError(_RING, "it is damaged: restore it from a backup") from cause

    def rotate(self, now_us: int) -> KeyRing:
        """Move the ring on by one generation; raise ConflictError while it is too early."""
        return self._keep(self.ring(now_us).rotated(now_us))

    def form_key(self) -> bytes:
        """Return the key that seals forms."""
        raw = self._read(_FORM_KEY)
        if raw is None:
            raw = secrets.token_bytes(_FORM_KEY_BYTES)
            self._write(_FORM_KEY, raw)
        if len(raw) != _FORM_KEY_BYTES:
            raise UnsafeKeyFileError(_FORM_KEY, "it is damaged: delete it, open login pages then start again")
        return raw

    def _keep(self, ring: KeyRing) -> KeyRing:
        generations = {"next": ring.next, "current": ring.current, "previous": ring.previous}
        self._write(_RING, orjson.dumps({name: key and key.to_jwk() for name, key in generations.items()}))
        return ring

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
