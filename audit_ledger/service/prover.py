"""Proofs out of stored tree nodes: O(log n) rows, whatever the length of the ledger."""

from dataclasses import dataclass

from audit_ledger.domain.errors import ForkedLedgerError
from audit_ledger.domain.head import Head
from audit_ledger.domain.merkle import (
    HASH_BYTES,
    TILE_HEIGHT,
    TILE_SIZE,
    Frontier,
    Span,
    Subtree,
    consistency_spans,
    folded,
    inclusion_spans,
    joined_root,
    subtrees_of,
)
from audit_ledger.store.reader import LedgerReader
from shared_kernel.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Shows that the entry `seq` is under the root of the first `size` entries."""

    seq: int
    size: int
    leaf: bytes
    path: tuple[bytes, ...]
    root: bytes


class Prover:
    """Knows where the nodes of every proof are stored."""

    def __init__(self, reader: LedgerReader) -> None:
        self._reader = reader

    async def frontier(self, head: Head) -> Frontier:
        """Return the tree's right edge at a head; ForkedLedgerError when the stored entries do not carry it."""
        last = await self._reader.last_entry()
        if last != head:
            raise ForkedLedgerError(self._reader.stream,
                                    f"its head says {head.size} entries, the last entry says {last.size}")
        return await self.frontier_at(head.size)

    async def frontier_at(self, size: int) -> Frontier:
        """Return the tree's right edge when it had `size` entries."""
        places = subtrees_of(Span(0, size))
        return Frontier(size, await self._roots(places))

    async def nodes(self, span: Span) -> list[bytes]:
        """Return the roots of the perfect subtrees that make up a span, left to right."""
        return await self._roots(subtrees_of(span))

    async def inclusion(self, seq: int, size: int) -> InclusionProof:
        """Return the proof that entry `seq` is among the first `size`."""
        if not 0 <= seq < size:
            raise NotFoundError(f"no tree of {size} entries has an entry {seq}")
        spans = [Span(seq, seq + 1), *inclusion_spans(seq, size), Span(0, size)]
        leaf, *path, root = await self._spans(spans)
        return InclusionProof(seq, size, leaf, tuple(path), root)

    async def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the first `new` entries begin with the first `old`."""
        if not 0 <= old <= new:
            raise NotFoundError(f"a tree of {new} entries does not extend one of {old}")
        return await self._spans(consistency_spans(old, new))

    async def _spans(self, spans: list[Span]) -> list[bytes]:
        rows = [subtrees_of(span) for span in spans]
        roots = iter(await self._roots([place for row in rows for place in row]))
        return [folded([next(roots) for _ in row]) for row in rows]

    async def _roots(self, places: list[Subtree]) -> list[bytes]:
        """Return perfect subtree roots from the tiles of the next multiple of the tile height below."""
        parts = [_within_tile(place) for place in places]
        tiles = await self._reader.tiles(sorted({tile for tile, _, _ in parts}))
        roots = []
        for place, (tile, start, end) in zip(places, parts, strict=True):
            hashes = tiles[tile][start:end]
            if len(hashes) != end - start:
                raise ForkedLedgerError(self._reader.stream, f"tree nodes under {place} are gone")
            roots.append(joined_root(hashes))
        return roots


def _within_tile(place: Subtree) -> tuple[tuple[int, int], int, int]:
    """Return the tile (level, number) that holds the nodes below, and from which byte to which of it they are."""
    height = place.level % TILE_HEIGHT
    tile, first = divmod(place.index << height, TILE_SIZE)
    return (place.level - height, tile), first * HASH_BYTES, (first + (1 << height)) * HASH_BYTES
