"""The data directory: who may use it now, which version wrote it, and where everything in it is."""

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from shared_kernel.errors import GridwardenError

FORMAT = 1
"""The layout's version; raised when an older Gridwarden could no longer read what we write."""


class HomeInUseError(GridwardenError):
    """Another running instance owns the directory."""

    def __init__(self, home: Path, owner: str) -> None:
        super().__init__(
            f"{home} is in use by another running Gridwarden (process {owner}): stop it, or set GRIDWARDEN_HOME to "
            "another directory",
        )


class NewerHomeError(GridwardenError):
    """A newer version wrote the directory."""

    def __init__(self, home: Path, version: str) -> None:
        super().__init__(
            f"{home} was written by the newer Gridwarden {version}: install that version, or set GRIDWARDEN_HOME to "
            "another directory",
        )


class UnusableHomeError(GridwardenError):
    """The directory cannot be made or written."""

    def __init__(self, home: Path, why: str) -> None:
        super().__init__(f"{home} cannot be used as data directory ({why}): set GRIDWARDEN_HOME to one you may write")


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below the data directory."""

    root: Path

    @property
    def postgres(self) -> Path:
        """The embedded server's cluster."""
        return self.root / "postgres"

    @property
    def keys(self) -> Path:
        """Private keys, mode 0600."""
        return self.root / "keys"

    @property
    def authority(self) -> Path:
        """The built-in certificate authority."""
        return self.keys / "authority"

    @property
    def service_certificates(self) -> Path:
        """What the gateway shows to services behind it."""
        return self.keys / "services"

    @property
    def checkpoints(self) -> Path:
        """Ledger checkpoints outside the database."""
        return self.root / "ledger" / "checkpoints"

    @property
    def tiles(self) -> Path:
        """The ledger as a C2SP tile log, for any static web server."""
        return self.root / "ledger" / "tiles"

    @property
    def rules(self) -> Path:
        """The operator's own Sigma rules."""
        return self.root / "rules"

    @property
    def playbooks(self) -> Path:
        """The operator's own playbooks."""
        return self.root / "playbooks"

    def prepare(self) -> None:
        """Create the folders; keys are for us alone."""
        for folder in (self.root, self.keys, self.checkpoints, self.rules, self.playbooks):
            folder.mkdir(parents=True, exist_ok=True)
        self.keys.chmod(0o700)


class HomeLock:
    """Exclusive use of a home while the process lives; the kernel releases it even after kill -9."""

    def __init__(self, home: Home, version: str) -> None:
        self._home = home
        self._version = version
        self._file: int | None = None

    def __enter__(self) -> Self:
        try:
            self._home.prepare()
            self._file = os.open(self._home.root / "gridwarden.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as cause:
            raise UnusableHomeError(self._home.root, cause.strerror or "error") from cause
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            owner = os.pread(self._file, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise HomeInUseError(self._home.root, owner) from cause
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)
        self._check_version()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._file is not None:
            os.close(self._file)

    def _check_version(self) -> None:
        path = self._home.root / "version.json"
        if path.exists():
            written = json.loads(path.read_text())
            if int(written["format"]) > FORMAT:
                raise NewerHomeError(self._home.root, str(written["version"]))
        path.write_text(json.dumps({"format": FORMAT, "version": self._version}) + "\n")


def is_in_use(home: Home) -> bool:
    """Tell whether a product runs on a home."""
    try:
        file = os.open(home.root / "gridwarden.lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
