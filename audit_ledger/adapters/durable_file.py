"""Writing a file so that whatever happens, the old content or the new one is there, whole."""

import os
from pathlib import Path

from shared_kernel.errors import UnavailableError


def replace_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Put the content in the file's place and return when the disk holds it; UnavailableError leaves the old one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        put_durably(path, content, mode=mode)
    except OSError as cause:
        raise UnavailableError(f"cannot write {path.name} ({cause.strerror}): nothing was changed") from cause


def put_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Do the same in a folder that exists, for whoever says in his own words what an OSError means.

    Written beside, fsynced, renamed, and the folder fsynced: a rename that only memory knew of would undo itself.
    Two writers of one path must exclude each other.
    """
    fresh = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Return when the disk holds the names in a folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
