"""Checking proofs with nothing but hashes: what a holder of a receipt runs (RFC 9162, sections 2.1.3.2 and 2.1.4.2)."""

from collections.abc import Sequence
from hashlib import sha256

from audit_ledger.domain.merkle import EMPTY_ROOT

_HASH = 32


def proves_inclusion(leaf: bytes, seq: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Tell whether `path` proves that `leaf` is entry `seq` of the tree of `size` entries with this root."""
    if not 0 <= seq < size or any(len(step) != _HASH for step in path):
        return False
    place, last, found = seq, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = sha256(b"\x01" + step + found).digest()
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            found = sha256(b"\x01" + found + step).digest()
        place >>= 1
        last >>= 1
    return last == 0 and found == root


def proves_consistency(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Tell whether `path` proves that the tree of `new` entries begins with the tree of `old` entries.

    Everything begins with the empty tree, so a proof from size 0 says nothing and is refused.
    """
    if not 0 <= old <= new or any(len(step) != _HASH for step in path):
        return False
    if old == new:
        return not path and old_root == new_root and (old > 0 or old_root == EMPTY_ROOT)
    if old == 0:
        return False
    steps = [old_root, *path] if old & (old - 1) == 0 else list(path)
    return bool(steps) and _walks(old - 1, new - 1, steps, (old_root, new_root))


def _walks(place: int, last: int, steps: list[bytes], roots: tuple[bytes, bytes]) -> bool:
    while place & 1:
        place >>= 1
        last >>= 1
    before = after = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            before = sha256(b"\x01" + step + before).digest()
            after = sha256(b"\x01" + step + after).digest()
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            after = sha256(b"\x01" + after + step).digest()
        place >>= 1
        last >>= 1
    return last == 0 and (before, after) == roots
