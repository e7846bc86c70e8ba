"""The Merkle half of a verification: leaves in, roots compared with every checkpoint on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from audit_ledger.domain.finding import Finding, Findings, Kind
from audit_ledger.domain.merkle import TILE_SIZE, Frontier, Subtree

_NO_TILES: Mapping[int, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Anchor:
    """A checkpoint to hold the entries against; `is_outside`: kept where the database's owner cannot reach it."""

    size: int
    root: bytes
    is_outside: bool


class TreeCheck:
    """Grows a tree from leaves one entry late (the walk learns leaf n from entry n+1)."""

    def __init__(self, frontier: Frontier, anchors: Sequence[Anchor], findings: Findings) -> None:
        self.leaves: list[bytes] = []
        self.good: list[Anchor] = []
        self.subtrees: dict[Subtree, bytes] = {}
        self._tree = frontier
        self._due = [each for each in anchors if each.size >= frontier.size]
        self._next = 0
        self._findings = findings
        self._is_first = True
        self._is_lost = False

    @property
    def size(self) -> int:
        """How many leaves the tree has."""
        return self._tree.size

    @property
    def root(self) -> bytes:
        """The root over the leaves so far."""
        return self._tree.root

    def give_up(self) -> None:
        """Stop growing: leaves are gone, no later root can be computed."""
        self.finish()
        self._is_lost = True

    def grow(self, tiles: Mapping[int, bytes] = _NO_TILES, /) -> None:
        """Take the collected leaves tile by tile, stopping at each checkpoint's size to compare roots.

        `tiles`: roots of tiles among these leaves, where somebody has computed them.
        """
        self._meet(tiles)
        whole = len(self.leaves) - (self._tree.size + len(self.leaves)) % TILE_SIZE
        if self._is_lost or whole > 0:
            self._take(whole, tiles)

    def finish(self) -> None:
        """Take what fills no tile too: no leaf comes any more."""
        self._meet(_NO_TILES)
        self._take(len(self.leaves), _NO_TILES)

    def _meet(self, tiles: Mapping[int, bytes]) -> None:
        if self._is_first and self.leaves:
            del self.leaves[0]  # what the first entry commits to is before the walk, not a leaf of it
            self._is_first = False
        while not self._is_lost and self._next < len(self._due):
            anchor = self._due[self._next]
            missing = anchor.size - self._tree.size
            if missing > len(self.leaves):
                break
            self._take(missing, tiles)
            self._compare(anchor)
            self._next += 1

    def unmet(self) -> list[Anchor]:
        """Return the checkpoints beyond the last leaf."""
        return [] if self._is_lost else self._due[self._next:]

    def _take(self, count: int, tiles: Mapping[int, bytes]) -> None:
        taken = self.leaves[:count]
        del self.leaves[:count]
        if not self._is_lost:
            self.subtrees.update(self._tree.extend(taken, tiles))

    def _compare(self, anchor: Anchor) -> None:
        if anchor.root == self._tree.root:
            self.good.append(anchor)
            return
        best = [good for good in self.good if good.is_outside] or self.good  # inside ones may be forged with the rest
        start = max((good.size for good in best), default=0)
        if any(found.kind is Kind.CHECKPOINT_MISMATCH and found.seq == start for found in self._findings.kept):
            return
        where = "outside the database" if anchor.is_outside else "in the database"
        self._findings.add(Finding(
            Kind.CHECKPOINT_MISMATCH, start, max(anchor.size - 1, start),
            f"the checkpoint of size {anchor.size} {where} has another root: entries from {start} on were rewritten",
        ))
