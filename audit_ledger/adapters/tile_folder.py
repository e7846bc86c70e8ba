"""The copy `tiles`: a C2SP tlog-tiles log as plain files, for any static web server and any public monitor.

checkpoint                     the signed note, replaced last
tile/<level>/<index>[.p/W]     hashes
tile/entries/<index>[.p/W]     entry bundles
lock                           held while files change

A partial tile goes when its full one is there. Growth is built on the right edge of the tree, and only after that
edge was found to carry the root of the checkpoint shown: bytes changed behind our back never get under a new one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from audit_ledger.adapters.tile_files import TileFiles
from audit_ledger.domain.archive.copies import CopiedEntry, CopyDivergedError, CopyDownError, Difference, Divergence
from audit_ledger.domain.c2sp.checkpoint import Checkpoint, read_unverified
from audit_ledger.domain.c2sp.tiles import (
    ENTRIES,
    HASH_BYTES,
    TILE_WIDTH,
    Tile,
    bundle_of,
    edge_of,
    edge_root,
    hashes_in,
    row_of,
    split_entries,
    split_hashes,
)
from audit_ledger.domain.entry import leaf_data_of
from audit_ledger.domain.errors import MalformedNoteError
from audit_ledger.domain.head import Entry
from audit_ledger.domain.merkle import TILE_HEIGHT, Subtree, leaf_hash, perfect_root

_Answer = TypeVar("_Answer")
_NO_NOTES: tuple[tuple[int, bytes], ...] = ()


class TileFolder:
    """One log's folder."""

    name = "tiles"
    granule = TILE_WIDTH

    def __init__(self, root: Path, stream: str) -> None:
        self._files = TileFiles(root)
        self._leaf_data = leaf_data_of(stream)

    async def note(self) -> bytes | None:
        """Return the checkpoint it shows."""
        return await self._off_loop(self._files.note)

    async def end(self) -> int:
        """Return the position after the last entry it holds anything of."""
        return await self._off_loop(self._end)

    async def tile(self, tile: Tile) -> bytes | None:
        """Return a tile or bundle, cut out of a wider one if need be; None when there is none."""
        return await self._off_loop(partial(self._files.held, tile))

    async def add(self, entries: Sequence[Entry]) -> None:
        """Take entries in whole groups of 256, the last may be shorter; CopyDivergedError where others are."""
        await self._off_loop(partial(self._add, entries, self._put))

    async def replace(self, entries: Sequence[Entry]) -> None:
        """Take such groups whatever is there."""
        await self._off_loop(partial(self._add, entries, self._overwrite))

    async def publish(self, note: bytes, checkpoint: Checkpoint) -> None:
        """Raise the tree over the entries added and show its checkpoint, if the root is the checkpoint's."""
        await self._off_loop(partial(self._publish, note, checkpoint))

    async def restore(self, note: bytes, checkpoint: Checkpoint) -> None:
        """Remove what is beyond the checkpoint, raise the whole tree anew, show the checkpoint."""
        await self._off_loop(partial(self._restore, note, checkpoint))

    async def read(self, start: int, stop: int) -> AsyncIterator[Sequence[CopiedEntry]]:
        """Yield what is held at the positions from `start` (a multiple of 256) up to `stop`, group by group."""
        for index in range(start // TILE_WIDTH, -(-stop // TILE_WIDTH)):
            yield await self._off_loop(partial(self._group, index, stop))

    async def nodes(self, size: int) -> AsyncIterator[tuple[Subtree, bytes]]:
        """Yield the hashes above the leaves that a tree of `size` has, empty where there is none."""
        level = 1
        while count := size >> (TILE_HEIGHT * level):
            for tile in row_of(level, count):
                hashes = split_hashes(await self._off_loop(partial(self._files.widest, level, tile.index)))
                for place in range(tile.width):
                    yield (Subtree(level * TILE_HEIGHT, tile.index * TILE_WIDTH + place),
                           hashes[place] if place < len(hashes) else b"")
            level += 1

    async def notes(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield nothing: a tile log shows its newest checkpoint only."""
        for note in _NO_NOTES:
            yield note

    async def strays(self, size: int) -> int:
        """Return how many files a tree of `size` has no use for, or say other than the widest tile of their place."""
        return await self._off_loop(lambda: sum(1 for _ in self._strays(size)))

    async def close(self) -> None:
        """Nothing is open between calls."""

    async def _off_loop(self, work: Callable[[], _Answer]) -> _Answer:
        try:
            return await asyncio.to_thread(work)
        except OSError as cause:
            raise CopyDownError(self.name, cause.strerror or type(cause).__name__) from cause

    def _end(self) -> int:
        return max((tile.index * TILE_WIDTH + tile.width for _, tile in self._files.all() if tile and tile.level <= 0),
                   default=0)

    def _group(self, index: int, stop: int) -> list[CopiedEntry]:
        """Pair the entries of a bundle with the hashes of its tile; bytes too many make the last pair unreadable."""
        bundle, tile = self._files.widest(ENTRIES, index), self._files.widest(0, index)
        entries, end = split_entries(bundle)
        hashes = split_hashes(tile)
        count = max(len(entries), len(hashes))
        pairs = [(entries[place] if place < len(entries) else b"", hashes[place] if place < len(hashes) else b"")
                 for place in range(count)]
        if pairs and (end < len(bundle) or len(tile) % HASH_BYTES or count > TILE_WIDTH):
            pairs = [*pairs[:TILE_WIDTH][:-1], (b"", b"")]
        start = index * TILE_WIDTH
        return [CopiedEntry(seq, *pair) for seq, pair in enumerate(pairs, start) if seq < stop]

    def _add(self, entries: Sequence[Entry], put: Callable[[Tile, bytes], None]) -> None:
        with self._files.alone():
            for at in range(0, len(entries), TILE_WIDTH):
                group = entries[at:at + TILE_WIDTH]
                index, width = group[0].seq // TILE_WIDTH, len(group)
                if group[0].seq % TILE_WIDTH:
                    message = f"entry {group[0].seq} begins no group of {TILE_WIDTH}"
                    raise ValueError(message)
                data = [self._leaf_data(each.prev_hash, each.seq, each.recorded_at_us, each.payload) for each in group]
                put(Tile(ENTRIES, index, width), bundle_of(data))
                put(Tile(0, index, width), b"".join(map(leaf_hash, data)))

    def _put(self, tile: Tile, content: bytes) -> None:
        """Write a tile that is not there; one that is there must be the same."""
        known = self._files.held(tile)
        if known is not None and known != content:
            raise CopyDivergedError(self.name, _all_below(tile, Difference.DIFFERENT), f"{tile.path} holds other bytes")
        if known is None or not self._files.has(tile):
            self._files.write(tile, content)

    def _overwrite(self, tile: Tile, content: bytes) -> None:
        if self._files.widest(tile.level, tile.index) != content or not self._files.has(tile):
            self._files.clear(tile.level, tile.index)
            self._files.write(tile, content)

    def _publish(self, note: bytes, checkpoint: Checkpoint) -> None:
        with self._files.alone():
            shown = self._shown()
            if shown is None or shown.size < checkpoint.size:
                self._raise(shown.size if shown else 0, checkpoint.size, self._put)
                self._show(note, checkpoint)

    def _restore(self, note: bytes, checkpoint: Checkpoint) -> None:
        with self._files.alone():
            self._files.drop(list(self._strays(checkpoint.size)))
            self._raise(0, checkpoint.size, self._overwrite)
            self._show(note, checkpoint)

    def _shown(self) -> Checkpoint | None:
        """Return the checkpoint shown, if the tree's right edge still carries it."""
        note = self._files.note()
        if note is None:
            return None
        try:
            shown = read_unverified(note)
        except MalformedNoteError as cause:
            raise CopyDivergedError(self.name, Divergence(Difference.DIFFERENT, 0, 0), cause.detail) from cause
        self._refuse_other_edge(shown)
        return shown

    def _raise(self, old: int, new: int, put: Callable[[Tile, bytes], None]) -> None:
        """Write the tiles above the leaves that growing from `old` to `new` entries adds."""
        roots = [perfect_root(self._row(tile)) for tile in row_of(0, new - new % TILE_WIDTH, old - old % TILE_WIDTH)]
        level = 1
        while roots:
            known = old >> (TILE_HEIGHT * level)
            base = known - known % TILE_WIDTH
            row = [*(self._row(Tile(level, base // TILE_WIDTH, known - base)) if known > base else ()), *roots]
            for tile in row_of(level, base + len(row), base):
                start = tile.index * TILE_WIDTH - base
                put(tile, b"".join(row[start:start + tile.width]))
            self._drop_partial(level - 1, range(known, known + len(roots)))
            roots = [perfect_root(row[at:at + TILE_WIDTH]) for at in range(0, len(row) - TILE_WIDTH + 1, TILE_WIDTH)]
            level += 1

    def _row(self, tile: Tile) -> list[bytes]:
        held = self._files.held(tile)
        if held is None:
            raise CopyDivergedError(self.name, _all_below(tile, Difference.MISSING), f"{tile.path} is gone or cut")
        return hashes_in(held, tile.width)

    def _drop_partial(self, level: int, indexes: range) -> None:
        """Remove what full tiles have made superfluous."""
        for index in indexes:
            for kind in (level, ENTRIES) if level == 0 else (level,):
                self._files.drop_partial(kind, index)

    def _show(self, note: bytes, checkpoint: Checkpoint) -> None:
        self._refuse_other_edge(checkpoint)
        self._files.show(note)

    def _refuse_other_edge(self, checkpoint: Checkpoint) -> None:
        edge = {tile: self._files.held(tile) for tile in edge_of(checkpoint.size)}
        whole = {tile: hashes_in(held, tile.width) for tile, held in edge.items() if held is not None}
        if len(whole) < len(edge) or edge_root(checkpoint.size, whole) != checkpoint.root:
            raise CopyDivergedError(
                self.name, Divergence(Difference.DIFFERENT, 0, max(checkpoint.size - 1, 0)),
                f"its tiles do not carry the root of the checkpoint of size {checkpoint.size}")

    def _strays(self, size: int) -> Iterator[Path]:
        for path, tile in self._files.all():
            if tile is None or _is_beyond(tile, size) or (
                    not tile.is_full and self._files.held(tile) not in {None, self._files.read(path)}):
                yield path


def _is_beyond(tile: Tile, size: int) -> bool:
    return tile.index * TILE_WIDTH + tile.width > size >> (TILE_HEIGHT * max(tile.level, 0))


def _all_below(tile: Tile, kind: Difference) -> Divergence:
    """Return the range of entries that a tile stands for."""
    span = TILE_WIDTH ** max(tile.level, 0)
    first = tile.index * TILE_WIDTH * span
    return Divergence(kind, first, first + tile.width * span - 1)
