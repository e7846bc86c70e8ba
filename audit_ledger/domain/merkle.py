"""The RFC 6962 Merkle tree: frontier, root, and the nodes that inclusion and consistency proofs are made of.

    node(l, r) = SHA-256(0x01 || l || r)      root of n leaves = node(root of the first 2^k, root of the rest), 2^k < n

A *perfect* subtree (level, index) covers the 2^level leaves from index * 2^level on; any range of leaves that a proof
needs is a short row of perfect subtrees folded from the right.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType

EMPTY_ROOT = sha256(b"").digest()
TILE_HEIGHT = 8
TILE_SIZE = 1 << TILE_HEIGHT
HASH_BYTES = 32
_node = sha256(b"\x01").copy
"""A hash that has taken the byte before two children: cheaper to copy than to begin."""
_NO_TILES: Mapping[int, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Subtree:
    """The place of a perfect subtree."""

    level: int
    index: int


@dataclass(frozen=True, slots=True)
class Span:
    """The leaves from `start` up to, not including, `end`: one node of some RFC 6962 tree."""

    start: int
    end: int


def leaf_hash(data: bytes) -> bytes:
    """Return the RFC 6962 leaf hash."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the RFC 6962 interior node hash."""
    return sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root of 2^k hashes."""
    return joined_root(b"".join(hashes))


def joined_root(joined: bytes) -> bytes:
    """Return the root of 2^k hashes that stand one after the other."""
    while len(joined) > HASH_BYTES:
        found = []
        for start in range(0, len(joined), 2 * HASH_BYTES):
            node = _node()
            node.update(joined[start:start + 2 * HASH_BYTES])
            found.append(node.digest())
        joined = b"".join(found)
    return joined


def folded(peaks: Sequence[bytes]) -> bytes:
    """Return the hash over a row of perfect subtrees, largest first."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


@dataclass(slots=True)
class Frontier:
    """The right edge of a growing tree: all that is needed to append and to know the root."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    @property
    def root(self) -> bytes:
        """The root over everything appended so far."""
        return folded(self.peaks)

    def copy(self) -> "Frontier":
        """Return a frontier that grows on its own."""
        return Frontier(self.size, self.peaks.copy())

    def extend(
        self, leaves: Sequence[bytes], tiles: Mapping[int, bytes] = _NO_TILES,
    ) -> list[tuple[Subtree, bytes]]:
        """Append leaf hashes; return the perfect subtrees of height 8, 16, ... that they completed.

        `tiles`: roots of subtrees of height 8 by their index, where somebody has computed them from these leaves.
        """
        done: list[tuple[Subtree, bytes]] = []
        at, count = 0, len(leaves)
        while at < count:
            if self.size % TILE_SIZE == 0 and count - at >= TILE_SIZE:
                root = tiles.get(self.size // TILE_SIZE) or perfect_root(leaves[at:at + TILE_SIZE])
                self._carry(root, TILE_HEIGHT, done)
                at += TILE_SIZE
            else:
                self._carry(leaves[at], 0, done)
                at += 1
        return done

    def _carry(self, found: bytes, level: int, done: list[tuple[Subtree, bytes]]) -> None:
        """Add one perfect subtree and merge equals, as a binary counter carries."""
        index = self.size >> level
        self.size += 1 << level
        if level:
            done.append((Subtree(level, index), found))
        while index & 1:
            found = node_hash(self.peaks.pop(), found)
            index >>= 1
            level += 1
            if level % TILE_HEIGHT == 0:
                done.append((Subtree(level, index), found))
        self.peaks.append(found)


def subtrees_of(span: Span) -> list[Subtree]:
    """Return the perfect subtrees that make up a span, left to right; a span of a proof is aligned on its left."""
    found, start = [], span.start
    while start < span.end:
        level = (span.end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        found.append(Subtree(level, start >> level))
        start += 1 << level
    return found


def inclusion_spans(seq: int, size: int) -> list[Span]:
    """Return the nodes of the inclusion proof of leaf `seq` in a tree of `size`, leaf to root (RFC 9162, 2.1.3.1)."""
    spans: list[Span] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if seq < middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(start, middle))
            start = middle
    return spans[::-1]


def consistency_spans(old: int, new: int) -> list[Span]:
    """Return the nodes that prove the tree of `new` to extend the tree of `old` (RFC 9162, 2.1.4.1)."""
    if old in {0, new}:
        return []
    spans: list[Span] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(start, middle))
            start, whole = middle, False
    if not whole:
        spans.append(Span(start, end))
    return spans[::-1]


def _split(count: int) -> int:
    """Return the largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    tree = Frontier()
    tree.extend(list(leaves))
    return tree.root
