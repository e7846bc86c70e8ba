"""Where a copy is other than the ledger: tile by tile, 256 leaves at a time, leaf by leaf only where tiles differ.

The copy's leaves are rehashed from its own bytes. The ledger's tile roots must themselves fold up to the signed root,
or nothing is said: a copy is not judged by a damaged ledger.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from audit_ledger.domain.archive.copies import (
    CopiedEntry,
    Difference,
    Divergence,
    Divergences,
    GoneError,
    UnprovenError,
)
from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.c2sp.tiles import TILE_WIDTH
from audit_ledger.domain.errors import MalformedNoteError, UntrustedNoteError
from audit_ledger.domain.merkle import TILE_HEIGHT, Frontier, Subtree, folded, leaf_hash, perfect_root
from audit_ledger.service.copies.port import Copy
from audit_ledger.service.copies.source import ProvenEntries


@dataclass(slots=True)
class CopiedTile:
    """What a copy holds of the positions of one tile: good leaves by position, and what is none."""

    index: int
    leaves: dict[int, bytes] = field(default_factory=dict)
    unreadable: set[int] = field(default_factory=set)
    extra: int = 0

    @property
    def start(self) -> int:
        """The first position."""
        return self.index * TILE_WIDTH

    @property
    def is_whole(self) -> bool:
        """Whether it has 256 leaves and nothing else."""
        return len(self.leaves) == TILE_WIDTH and not self.extra

    def take(self, entry: CopiedEntry) -> None:
        """Take what the copy holds next."""
        if not self.start <= entry.seq < self.start + TILE_WIDTH or entry.seq in self.leaves:
            self.extra += 1
            return
        found = leaf_hash(entry.leaf_data)
        if entry.leaf_data and found == entry.entry_hash:
            self.leaves[entry.seq] = found
        else:
            self.unreadable.add(entry.seq)


async def diff(copy: Copy, source: ProvenEntries, upto: Checkpoint) -> tuple[Divergence, ...]:
    """Return where the copy is other than the ledger's first `upto.size` entries, or holds more.

    Raises UnprovenError when the ledger's own tree is not under the checkpoint.
    """
    found = Divergences()
    tiles, rest = Frontier(), Frontier()
    roots: list[bytes | None] = []
    async for tile in _tiles(copy, upto.size):
        if tile.start + TILE_WIDTH > upto.size:
            expected = await _drill(source, tile, upto, found)
            rest.extend([expected[seq] for seq in range(tile.start, upto.size)])
            break
        if tile.index % TILE_WIDTH == 0:
            places = [Subtree(TILE_HEIGHT, tile.index + place) for place in range(TILE_WIDTH)]
            roots = await source.nodes(places)
        root = roots[tile.index % TILE_WIDTH]
        if root is None:
            raise UnprovenError(tile.start, tile.start + TILE_WIDTH, upto.size)
        tiles.extend([root])
        if not tile.is_whole or perfect_root([*tile.leaves.values()]) != root:
            await _drill(source, tile, upto, found)
    if folded([*tiles.peaks, *rest.peaks]) != upto.root:
        raise UnprovenError(0, upto.size, upto.size)
    await _compare_nodes(copy, source, upto.size, found)
    await _check_notes(copy, source, found)
    await _find_more(copy, upto.size, found)
    return found.all()


async def _tiles(copy: Copy, size: int) -> AsyncIterator[CopiedTile]:
    """Yield every tile of the first `size` positions, even if the copy holds nothing there."""
    tile = CopiedTile(0)
    async for page in copy.read(0, size):
        for entry in page:
            while entry.seq >= tile.start + TILE_WIDTH:
                yield tile
                tile = CopiedTile(tile.index + 1)
            tile.take(entry)
    while tile.start < size:
        yield tile
        tile = CopiedTile(tile.index + 1)


async def _drill(
    source: ProvenEntries, tile: CopiedTile, upto: Checkpoint, found: Divergences,
) -> Mapping[int, bytes]:
    """Name the leaves of a tile that differ; return the ledger's."""
    stop = min(tile.start + TILE_WIDTH, upto.size)
    expected = await source.hashes(tile.start, stop)
    if len(expected) < stop - tile.start:
        raise GoneError(tile.start, stop)
    differs = False
    for seq, wanted in expected.items():
        if tile.leaves.get(seq) != wanted:
            is_there = seq in tile.leaves or seq in tile.unreadable
            found.add(Difference.DIFFERENT if is_there else Difference.MISSING, seq, seq)
            differs = True
    if tile.extra:
        found.add(Difference.EXTRA, tile.start, stop - 1)
    elif not differs and stop == tile.start + TILE_WIDTH:
        await _refuse_other_root(source, tile, expected, upto)
    return expected


async def _refuse_other_root(
    source: ProvenEntries, tile: CopiedTile, expected: Mapping[int, bytes], upto: Checkpoint,
) -> None:
    """No leaf differs and the roots did: then it is the ledger's own stored node that is wrong."""
    [root] = await source.nodes([Subtree(TILE_HEIGHT, tile.index)])
    if root != perfect_root([*expected.values()]):
        raise UnprovenError(tile.start, tile.start + TILE_WIDTH, upto.size)


async def _compare_nodes(copy: Copy, source: ProvenEntries, size: int, found: Divergences) -> None:
    """Compare the copy's tree nodes with the ledger's, in pages."""
    page: list[tuple[Subtree, bytes]] = []
    async for node in copy.nodes(size):
        page.append(node)
        if len(page) == TILE_WIDTH:
            await _compare_page(source, page, found)
            page = []
    await _compare_page(source, page, found)


async def _compare_page(source: ProvenEntries, page: list[tuple[Subtree, bytes]], found: Divergences) -> None:
    stored = await source.nodes([place for place, _ in page])
    for (place, held), wanted in zip(page, stored, strict=True):
        if held != wanted:
            kind = Difference.DIFFERENT if held else Difference.MISSING
            found.add(kind, place.index << place.level, ((place.index + 1) << place.level) - 1)


async def _check_notes(copy: Copy, source: ProvenEntries, found: Divergences) -> None:
    """A checkpoint of ours is signed by us and lies under its own size."""
    async for size, note in copy.notes():
        try:
            is_ours = source.opened(note).size == size
        except (MalformedNoteError, UntrustedNoteError):
            is_ours = False
        if not is_ours:
            found.add(Difference.DIFFERENT, max(size - 1, 0), max(size - 1, 0))


async def _find_more(copy: Copy, size: int, found: Divergences) -> None:
    end = await copy.end()
    if end > size:
        found.add(Difference.EXTRA, size, end - 1)
    elif await copy.strays(size):
        found.add(Difference.EXTRA, size, size)
