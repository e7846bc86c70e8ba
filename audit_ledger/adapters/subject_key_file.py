"""The key under which people's keys lie in the database: `subjects.key` in the home, 32 random bytes, mode 0600.

It is not in the database, so a stolen copy of the database opens no sealed field. Back it up apart from the database.
"""

import os
import secrets
import stat
from pathlib import Path

from audit_ledger.adapters.durable_file import fsync_folder
from audit_ledger.domain.privacy.sealing import KEY_BYTES, KeyEncryptionKey
from shared_kernel.errors import GridwardenError

NAME = "subjects.key"


class UnusableSubjectKeyError(GridwardenError):
    """The key file cannot be trusted or read; no field is sealed or opened with it."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the key file {NAME} is not usable: {why}")


class SubjectKeyFile:
    """Reads the key from the folder `keys`, or makes it."""

    def __init__(self, keys: Path) -> None:
        self._path = keys / NAME

    def key(self) -> KeyEncryptionKey:
        """Return the key, created at first use."""
        found = self.existing()
        if found is None:
            self._create()
            found = self.existing()
        if found is None:
            raise UnusableSubjectKeyError("it vanished while it was made: start again")
        return found

    def existing(self) -> KeyEncryptionKey | None:
        """Return the key, None where there is none."""
        try:
            mode, secret = self._path.stat().st_mode, self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise UnusableSubjectKeyError(f"it cannot be read ({cause.strerror})") from cause
        if stat.S_IMODE(mode) & 0o077:
            raise UnusableSubjectKeyError("others can read it. If nobody did, run chmod 600 on it")
        if len(secret) != KEY_BYTES:
            raise UnusableSubjectKeyError(f"it has {len(secret)} bytes, not {KEY_BYTES}: restore it from a backup")
        return KeyEncryptionKey(secret)

    def _create(self) -> None:
        """Write beside and link: the file is whole from its first moment, and whoever links first wins."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._path.with_name(f"{NAME}.{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, self._path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        fsync_folder(self._path.parent)
