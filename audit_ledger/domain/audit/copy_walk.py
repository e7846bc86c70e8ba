"""The walk over a copy: every payload rehashed, every link followed, the tree grown to the signed root.

A leaf's data begins with the hash of its predecessor and names its stream and position (see `entry`), so a copy can be
held against a checkpoint with nothing else at hand. Damage is named where it lies; a suffix rewritten as a whole is
true to itself and has another root.
"""

from collections.abc import Iterable
from struct import Struct

from audit_ledger.domain.archive.copies import CopiedEntry
from audit_ledger.domain.audit.finding import Finding, Findings, Kind
from audit_ledger.domain.entry import GENESIS, VERSION, VERSION_BY_DIGEST
from audit_ledger.domain.merkle import Frontier, Subtree, leaf_hash

_SEQ = Struct(">q")
_HASH_BYTES = len(GENESIS)


class CopyWalk:
    """Takes what a copy holds, in order; `subtrees` are the tree nodes that follow from it."""

    def __init__(self, name: str, stream: str) -> None:
        self.findings = Findings([])
        self.subtrees: dict[Subtree, bytes] = {}
        self._name = name
        self._headers = {bytes((version, len(stream.encode()))) + stream.encode()
                         for version in (VERSION, VERSION_BY_DIGEST)}
        self._prefix_bytes = 2 + len(stream.encode())
        self._tree = Frontier()
        self._previous: bytes | None = GENESIS
        self._position = 0
        self._is_whole, self._is_damaged = True, False

    def feed(self, entries: Iterable[CopiedEntry]) -> None:
        """Check the next entries."""
        leaves: list[bytes] = []
        for entry in entries:
            if entry.seq < self._position:
                self.note(self._position, self._position, "it holds something that is no entry, or one twice")
                continue
            self._skip_to(entry.seq)
            found = leaf_hash(entry.leaf_data)
            self._is_damaged |= self._is_wrong(entry, found)
            self._previous = found
            self._position += 1
            leaves.append(found)
        if self._is_whole:
            self.subtrees.update(self._tree.extend(leaves))

    def finish(self, size: int, root: bytes) -> None:
        """Check that it reaches the checkpoint's size with the checkpoint's root."""
        self._skip_to(size)
        if self._is_whole and not self._is_damaged and self._tree.root != root:
            self.note(0, max(size - 1, 0), f"its {size} entries are chained and have another root than the signed "
                                           "checkpoint: they were rewritten")

    def note(self, seq: int, last_seq: int, what: str) -> None:
        """Add a finding."""
        self.findings.add(Finding(Kind.COPY_MISMATCH, seq, last_seq, f"{self._name}: {what}"))

    def _skip_to(self, seq: int) -> None:
        if seq > self._position:
            self.note(self._position, seq - 1, "entries are missing")
            self._position, self._previous, self._is_whole = seq, None, False

    def _is_wrong(self, entry: CopiedEntry, found: bytes) -> bool:
        data, links = entry.leaf_data, self._previous
        if found != entry.entry_hash:
            self.note(entry.seq, entry.seq, "the stored bytes are not those that were hashed")
        elif not self._is_in_place(data, entry.seq):
            self.note(entry.seq, entry.seq, "an entry of another place or stream lies here")
        elif links is not None and data[:_HASH_BYTES] != links:
            self._blame_predecessor(entry.seq)
        else:
            return False
        return True

    def _is_in_place(self, data: bytes, seq: int) -> bool:
        end = _HASH_BYTES + self._prefix_bytes
        return data[_HASH_BYTES:end] in self._headers and data[end:end + _SEQ.size] == _SEQ.pack(seq)

    def _blame_predecessor(self, seq: int) -> None:
        """What entry n commits to is the best witness of entry n - 1; if that was damaged anyway, once is enough."""
        place = max(seq - 1, 0)
        if not any(kept.seq <= place <= kept.last_seq for kept in self.findings.kept[-1:]):
            self.note(place, place, "the next entry follows another one" if seq else "the first entry follows another")
