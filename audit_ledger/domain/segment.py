"""One stretch of the ledger, walked on its own: whole, or nothing to rely on."""

from collections.abc import Mapping, Sequence

from audit_ledger.domain.finding import Findings
from audit_ledger.domain.merkle import TILE_HEIGHT, perfect_root
from audit_ledger.domain.walk import Row, Segment, Walk

_TILE = 1 << TILE_HEIGHT
_NO_TILES: Mapping[int, bytes] = {}


class SegmentWalk:
    """Walks one stretch; any finding in it means that it must be walked again where its neighbours are known."""

    def __init__(self, stream: str, start: int) -> None:
        self._stream, self._start = stream, start
        self._findings = Findings([])
        self._leaves = _Leaves()
        self._walk: Walk | None = None

    def feed(self, rows: Sequence[Row]) -> bool:
        """Check a page of rows; tell whether all is well so far."""
        if self._walk is None:
            self._walk = Walk(self._stream, since=self._start, previous=rows[0][2], tree=self._leaves,
                              findings=self._findings)
        self._walk.feed(rows)
        return self._walk.is_undoubted

    def finish(self, stop: int) -> Segment | None:
        """Return the segment, None unless it is whole and ends before `stop`."""
        walk, start, leaves = self._walk, self._start, self._leaves.leaves
        if walk is None or not walk.is_undoubted or walk.position != stop:
            return None
        tiles = {}
        for index in range(-(-start // _TILE), (stop - 1) // _TILE):
            first = index * _TILE - start + 1
            tiles[index] = perfect_root(leaves[first:first + _TILE])
        return Segment(start, stop, leaves, walk.last_hash, tiles)


class _Leaves:
    """Collects what a tree would take."""

    def __init__(self) -> None:
        self.leaves: list[bytes] = []

    def grow(self, tiles: Mapping[int, bytes] = _NO_TILES, /) -> None:
        """Wait."""

    def give_up(self) -> None:
        """Wait."""
