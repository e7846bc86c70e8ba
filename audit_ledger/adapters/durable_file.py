"""Writing a file so that whatever happens, the old content or the new one is there, whole."""

import os
from pathlib import Path

from shared_kernel.errors import UnavailableError


def replace_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Put the content in the file's place and return when the disk holds it; UnavailableError leaves the old one.

    Written beside, fsynced, renamed, and the folder fsynced: a rename that only memory knew of would undo itself.
    Two writers of one path must exclude each other.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        _fsync_folder(path.parent)
    except OSError as cause:
        raise UnavailableError(f"cannot write {path.name} ({cause.strerror}): nothing was changed") from cause


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
