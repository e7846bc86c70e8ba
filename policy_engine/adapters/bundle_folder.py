"""The folder that holds the bundle: `data.json` and every `.rego` below it, except `*_test.rego`."""

import os
from contextlib import suppress
from pathlib import Path

from policy_engine.domain.bundle import DATA_FILE, POLICY_SUFFIX, Bundle, RefusedBundleError

Fingerprint = tuple[tuple[str, int, int], ...]


class BundleFolder:
    """Reads the bundle, and tells cheaply whether it changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fingerprint(self) -> Fingerprint:
        """Return (name, modification time, size) of every file; differs when the bundle may have changed."""
        found = []
        for path in self._paths():
            with suppress(OSError):
                status = path.stat()
                found.append((str(path), status.st_mtime_ns, status.st_size))
        return tuple(found)

    def read(self) -> Bundle:
        """Return the bundle; raise RefusedBundleError when the folder cannot be read."""
        for path in self._paths():
            if not path.is_file():
                raise RefusedBundleError(f"{path} is no plain file, nor a link to one: remove it")
        try:
            return Bundle({path.relative_to(self._folder).as_posix(): path.read_bytes() for path in self._paths()})
        except OSError as cause:
            raise RefusedBundleError(f"{self._folder} cannot be read ({type(cause).__name__})") from cause

    def _paths(self) -> list[Path]:
        rego = (path for path in self._folder.rglob(f"*{POLICY_SUFFIX}") if not path.stem.endswith("_test"))
        data = self._folder / DATA_FILE
        return sorted([*rego, *([data] if os.path.lexists(data) else [])])
