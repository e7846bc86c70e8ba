"""A log in memory with a key: it can do what an honest log does, and what a dishonest one would."""

from dataclasses import dataclass, field
from hashlib import sha256

from audit_ledger.domain.c2sp.add_checkpoint import AddCheckpoint
from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.domain.merkle import consistency_spans, inclusion_spans, root_of


def leaves(count: int, flavour: str = "") -> list[bytes]:
    """Return leaf hashes; another flavour is another history."""
    return [sha256(f"{flavour}{number}".encode()).digest() for number in range(count)]


SIGNER = NoteSigner("gridwarden/0a1b2c3d", bytes(range(32)))


@dataclass(frozen=True, slots=True)
class ToyLog:
    """Signs any size of its leaves, proves anything about them."""

    signer: NoteSigner = SIGNER
    leaves: list[bytes] = field(default_factory=lambda: leaves(50))

    def forked_after(self, size: int) -> "ToyLog":
        """Return the other tree that this log shows to somebody else: the same first entries, then others."""
        return ToyLog(self.signer, self.leaves[:size] + leaves(len(self.leaves) - size, "fork"))

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(self.signer.name, size, root_of(self.leaves[:size]))

    def note(self, size: int) -> bytes:
        return self.checkpoint(size).signed_by(self.signer)

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        return tuple(root_of(self.leaves[span.start:span.end]) for span in consistency_spans(old, new))

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        return tuple(root_of(self.leaves[span.start:span.end]) for span in inclusion_spans(index, size))

    def request(self, old: int, new: int) -> bytes:
        return AddCheckpoint(old, self.consistency(old, new), self.note(new)).to_bytes()
