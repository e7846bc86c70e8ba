"""The files of a tile log: whole ones only, each durable before its checkpoint is.

Every file is written beside its place, fsynced and renamed: a crash leaves no half of one, and what is written twice
is the same. Others may have written here: no link is followed, no pipe waited for, and no more read than a tile can
hold. Whoever serves the folder to the public serves hashes; the folder of the entries is for us alone.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from audit_ledger.adapters.durable_file import fsync_folder
from audit_ledger.domain.c2sp.note import MAX_NOTE_BYTES
from audit_ledger.domain.c2sp.tiles import MAX_BYTES, TILE_WIDTH, MalformedTileError, Tile, narrowed

_NEW = ".new"
_NO_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_WIDTHS = {str(width): width for width in range(1, TILE_WIDTH)}


class TileFiles:
    """Reads at any time; writes only inside `alone`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._changed: set[Path] = set()

    def note(self) -> bytes | None:
        """Return the checkpoint file."""
        return _read(self._root / "checkpoint", MAX_NOTE_BYTES) or None

    def widest(self, level: int, index: int) -> bytes:
        """Return the full tile, or the widest partial one; nothing when there is none."""
        full = self._root / Tile(level, index).path
        if content := _read(full, MAX_BYTES):
            return content
        partial = _partial(full)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            widths = [_WIDTHS[each.name] for each in partial.iterdir() if each.name in _WIDTHS]
            return _read(partial / str(max(widths)), MAX_BYTES) if widths else b""
        return b""

    def read(self, path: Path) -> bytes:
        """Return a file that `all` named."""
        return _read(path, MAX_BYTES)

    def held(self, tile: Tile) -> bytes | None:
        """Return a tile, cut out of the widest of its place; None when that is not wide enough."""
        content = self.widest(tile.level, tile.index)
        try:
            return narrowed(content, tile) if content else None
        except MalformedTileError:
            return None

    def all(self) -> Iterator[tuple[Path, Tile | None]]:
        """Yield every file below `tile/` with the tile its path names; what a crash left beside one is passed over."""
        for folder, _, names in os.walk(self._root / "tile"):
            for path in (Path(folder) / name for name in names):
                if path.suffix != _NEW:
                    yield path, self._tile_at(path)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Change files, and nobody else; at the end every change is durable. BlockingIOError while another does."""
        entries = self._root / "tile" / "entries"
        if not entries.is_dir():
            entries.parent.mkdir(parents=True, exist_ok=True)
            entries.mkdir(mode=0o700)
        with (self._root / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._changed = {self._root, entries.parent}
            yield
            self._settle()

    def has(self, tile: Tile) -> bool:
        """Tell whether just this tile is there."""
        return (self._root / tile.path).exists()

    def write(self, tile: Tile, content: bytes) -> None:
        """Put a tile in its place."""
        self._write(self._root / tile.path, content)

    def show(self, note: bytes) -> None:
        """Replace the checkpoint, after everything it covers is durable."""
        self._settle()
        self._write(self._root / "checkpoint", note)

    def drop_partial(self, level: int, index: int) -> None:
        """Remove the partial tiles of a place."""
        _remove(_partial(self._root / Tile(level, index).path))

    def drop(self, paths: Iterable[Path]) -> None:
        """Remove files."""
        for path in paths:
            _remove(path)
            self._changed.add(path.parent)

    def clear(self, level: int, index: int) -> None:
        """Remove every tile of a place."""
        self.drop([self._root / Tile(level, index).path])
        self.drop_partial(level, index)

    def _tile_at(self, path: Path) -> Tile | None:
        try:
            return Tile.parse(path.relative_to(self._root).as_posix())
        except MalformedTileError:
            return None

    def _write(self, path: Path, content: bytes) -> None:
        folder = path.parent
        self._changed.add(folder)
        while not folder.exists():
            folder = folder.parent
            self._changed.add(folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + _NEW)
        _remove(fresh)
        with fresh.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)

    def _settle(self) -> None:
        """Make renames durable."""
        for folder in self._changed:
            with contextlib.suppress(FileNotFoundError):
                fsync_folder(folder)
        self._changed = set()


def _read(path: Path, limit: int) -> bytes:
    """Return a file's bytes, one more than allowed if there are more; nothing when it is no regular file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as cause:
        if cause.errno in _NO_FILE:
            return b""
        raise
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return b""
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(limit + 1)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    """Remove whatever is there."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _partial(full: Path) -> Path:
    return full.with_name(f"{full.name}.p")
