"""Test folders are their owner's alone; the embedded database runs as a user of its own, who must be able to enter."""

from pathlib import Path

_MADE_BY_PYTEST = ("pytest-", "popen-")


def enterable(folder: Path) -> Path:
    """Open a folder, and those pytest made above it, to every user of the machine; return the folder."""
    for part in (folder, *folder.parents):
        if part == folder or part.name.startswith(_MADE_BY_PYTEST):
            part.chmod(0o755)
    return folder
