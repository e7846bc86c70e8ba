"""A bundle file (`.tar.gz`) on a disk: read whole, verified by the operator's key."""

from pathlib import Path

from policy_engine.adapters.bundle_archive import MAX_PACKED, opened
from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.domain.bundle_signature import VerificationKey

Fingerprint = tuple[int, int, int] | None


class BundleFile:
    """Reads the bundle, and tells cheaply whether it changed; `key` makes it insist on that key's signature."""

    def __init__(self, path: Path, key: VerificationKey | None = None) -> None:
        self._path = path
        self._key = key

    def fingerprint(self) -> Fingerprint:
        """Return (inode, modification time, size), or None when the file is away."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def read(self) -> Bundle:
        """Return the bundle; raise RefusedBundleError when it cannot be read, unpacked or believed."""
        if self._path.exists() and not self._path.is_file():
            raise RefusedBundleError(f"{self._path} is no plain file")
        try:
            with self._path.open("rb") as file:
                raw = file.read(MAX_PACKED + 1)
        except OSError as cause:
            raise RefusedBundleError(f"{self._path} cannot be read ({cause.strerror})") from cause
        return opened(raw, self._key)
