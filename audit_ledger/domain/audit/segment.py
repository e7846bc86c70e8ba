"""One stretch of the ledger, walked on its own: whole, or nothing to rely on."""

from collections.abc import Mapping, Sequence

from audit_ledger.domain.audit.finding import Findings
from audit_ledger.domain.audit.page import Page, Row
from audit_ledger.domain.audit.walk import Segment, Walk
from audit_ledger.domain.merkle import TILE_SIZE, perfect_root

_NO_TILES: Mapping[int, bytes] = {}


class SegmentWalk:
    """Walks one stretch; any finding in it means that it must be walked again where its neighbours are known."""

    def __init__(self, stream: str, start: int) -> None:
        self._stream, self._start = stream, start
        self._findings = Findings([])
        self._leaves = _Leaves()
        self._first_at_us = 0
        self._walk: Walk | None = None

    def feed(self, rows: Page | Sequence[Row]) -> bool:
        """Check entries; tell whether all is well so far."""
        if self._walk is None:
            first = rows.row(0) if isinstance(rows, Page) else rows[0]
            self._first_at_us = first[1]
            self._walk = Walk(self._stream, since=self._start, previous=first[2], tree=self._leaves,
                              findings=self._findings)
        self._walk.feed(rows)
        return self._walk.is_undoubted

    def finish(self, stop: int) -> Segment | None:
        """Return the segment, None unless it is whole and ends before `stop`."""
        walk, start, leaves = self._walk, self._start, self._leaves.leaves
        if walk is None or not walk.is_undoubted or walk.position != stop:
            return None
        tiles = {}
        for index in range(-(-start // TILE_SIZE), (stop - 1) // TILE_SIZE):
            first = index * TILE_SIZE - start + 1
            tiles[index] = perfect_root(leaves[first:first + TILE_SIZE])
        times = self._first_at_us, walk.last_at_us
        return Segment(start, stop, b"".join(leaves), walk.last_hash, tiles, times)


class _Leaves:
    """Collects what a tree would take."""

    def __init__(self) -> None:
        self.leaves: list[bytes] = []

    def grow(self, tiles: Mapping[int, bytes] = _NO_TILES, /) -> None:
        """Wait."""

    def finish(self) -> None:
        """Wait."""

    def give_up(self) -> None:
        """Wait."""
