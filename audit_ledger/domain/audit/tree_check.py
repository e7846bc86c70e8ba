"""The Merkle half of a verification: leaves in, roots compared with every checkpoint on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from audit_ledger.domain.audit.finding import Finding, Findings, Kind
from audit_ledger.domain.merkle import HASH_BYTES, TILE_SIZE, Frontier, Subtree

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
        self._compared_to = -1
        self._findings = findings
        self._is_first = True
        self._is_lost = False

    def to_json(self) -> dict[str, Any]:
        """Return all that was learnt as a JSON object; the anchors are not part of it."""
        return {
            "size": self._tree.size, "peaks": [peak.hex() for peak in self._tree.peaks],
            "leaves": b"".join(self.leaves).hex(), "is_first": self._is_first, "is_lost": self._is_lost,
            "good": [[each.size, each.root.hex(), each.is_outside] for each in self.good],
            "compared_to": self._due[self._next - 1].size if self._next else self._compared_to,
            "subtrees": [[place.level, place.index, held.hex()] for place, held in self.subtrees.items()],
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any], anchors: Sequence[Anchor], findings: Findings) -> "TreeCheck":
        """Go on from `to_json`; checkpoints of sizes that were passed are not compared any more."""
        due = [each for each in anchors if each.size > saved["compared_to"]]
        tree = cls(Frontier(saved["size"], [bytes.fromhex(peak) for peak in saved["peaks"]]), due, findings)
        leaves = bytes.fromhex(saved["leaves"])
        tree.leaves = [leaves[at:at + HASH_BYTES] for at in range(0, len(leaves), HASH_BYTES)]
        tree.good = [Anchor(size, bytes.fromhex(root), is_outside) for size, root, is_outside in saved["good"]]
        tree.subtrees = {Subtree(level, index): bytes.fromhex(held) for level, index, held in saved["subtrees"]}
        tree._is_first, tree._is_lost = saved["is_first"], saved["is_lost"]
        tree._compared_to = saved["compared_to"]
        return tree

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
        count = len(self.leaves)
        whole = count if self._is_lost else count - (self._tree.size + count) % TILE_SIZE
        if whole > 0:
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
