"""The files of a tile log: whole ones only, each durable before its checkpoint is.

Every file is written beside its place, fsynced and renamed: a crash leaves no half of one, and what is written twice
is the same.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from audit_ledger.domain.tiles import TILE_WIDTH, MalformedTileError, Tile, narrowed

_NEW = ".new"
_WIDTHS = {str(width): width for width in range(1, TILE_WIDTH)}


class TileFiles:
    """Reads at any time; writes only inside `alone`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._changed: set[Path] = set()

    def note(self) -> bytes | None:
        """Return the checkpoint file."""
        with contextlib.suppress(FileNotFoundError):
            return (self._root / "checkpoint").read_bytes()
        return None

    def widest(self, level: int, index: int) -> bytes:
        """Return the full tile, or the widest partial one; nothing when there is none."""
        full = self._root / Tile(level, index).path
        with contextlib.suppress(FileNotFoundError):
            return full.read_bytes()
        partial = _partial(full)
        with contextlib.suppress(FileNotFoundError):
            widths = [_WIDTHS[each.name] for each in partial.iterdir() if each.name in _WIDTHS]
            return (partial / str(max(widths))).read_bytes() if widths else b""
        return b""

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
        """Let one process at a time change files; at the end every change is durable."""
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._changed = set()
            yield
            self._settle()

    def has(self, tile: Tile) -> bool:
        """Tell whether just this tile is a file."""
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
        shutil.rmtree(_partial(self._root / Tile(level, index).path), ignore_errors=True)

    def drop(self, paths: Iterable[Path]) -> None:
        """Remove files."""
        for path in paths:
            path.unlink(missing_ok=True)
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
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)

    def _settle(self) -> None:
        """Make renames durable."""
        for folder in self._changed:
            with contextlib.suppress(FileNotFoundError):
                handle = os.open(folder, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        self._changed = set()


def _partial(full: Path) -> Path:
    return full.with_name(f"{full.name}.p")
