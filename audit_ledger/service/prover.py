"""Proofs out of stored tree nodes: O(log n) rows, whatever the length of the ledger."""

from dataclasses import dataclass

from audit_ledger.domain.errors import ForkedLedgerError
from audit_ledger.domain.head import Head
from audit_ledger.domain.merkle import (
    TILE_HEIGHT,
    Frontier,
    Span,
    Subtree,
    consistency_spans,
    folded,
    inclusion_spans,
    perfect_root,
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
        """Return perfect subtree roots from the stored nodes of the next multiple of the tile height below."""
        parts = [_stored_below(place) for place in places]
        wanted = list(dict.fromkeys(node for row in parts for node in row))
        found = dict(zip(wanted, await self._reader.nodes(wanted), strict=True))
        roots = []
        for place, row in zip(places, parts, strict=True):
            hashes = [held for node in row if (held := found[node]) is not None]
            if len(hashes) != len(row):
                raise ForkedLedgerError(self._reader.stream, f"tree nodes under {place} are gone")
            roots.append(perfect_root(hashes))
        return roots


def _stored_below(place: Subtree) -> list[Subtree]:
    height = place.level % TILE_HEIGHT
    level, first = place.level - height, place.index << height
    return [Subtree(level, index) for index in range(first, first + (1 << height))]
