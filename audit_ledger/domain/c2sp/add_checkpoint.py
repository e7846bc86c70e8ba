"""What a witness is asked and how it decides (C2SP tlog-witness, add-checkpoint).

    old <decimal>               the size of the tree that the witness saw last, 0 for none
    <base64 of a hash>          consistency proof, at most 63 lines, none from size 0 or between equal sizes
                                an empty line
    <the signed checkpoint>

A witness keeps one tree a log, the last it cosigned, and cosigns only what extends it.
"""

import base64
from dataclasses import dataclass

from audit_ledger.domain.c2sp.checkpoint import Checkpoint, plain_decimal
from audit_ledger.domain.c2sp.tlog_proof import proof_lines
from audit_ledger.domain.errors import MalformedNoteError
from audit_ledger.domain.merkle import EMPTY_ROOT
from audit_ledger.domain.proofs import proves_consistency
from shared_kernel.errors import ConflictError, UnprocessableError

MAX_REQUEST_BYTES = 131_072
"""An old size, 63 hashes, and a checkpoint with room for twenty post-quantum signatures."""


class OutdatedSizeError(ConflictError):
    """The log's idea of what the witness saw last is wrong; `size` is what it saw (409)."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the witness saw {size} entries last: prove consistency from there")
        self.size = size


class TwoTreesError(ConflictError):
    """The log signed another tree of the size the witness already cosigned: it shows two trees (409)."""

    def __init__(self, origin: str, size: int) -> None:
        super().__init__(f"{origin} has shown another tree of {size} entries before")


class InconsistentTreeError(UnprocessableError):
    """The proof does not show that the new tree begins with the one the witness cosigned (422)."""

    def __init__(self, old: int, new: int) -> None:
        super().__init__(f"the proof does not lead from {old} to {new} entries: nothing was cosigned")


@dataclass(frozen=True, slots=True)
class Seen:
    """The last tree a witness cosigned of one log."""

    size: int = 0
    root: bytes = EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request to cosign."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    def to_bytes(self) -> bytes:
        """Return the request's body."""
        steps = (base64.b64encode(step).decode() for step in self.proof)
        return "".join(f"{line}\n" for line in (f"old {self.old}", *steps, "")).encode() + self.note

    @classmethod
    def parse(cls, body: bytes) -> "AddCheckpoint":
        """Read a request's body; the checkpoint in it is not yet opened."""
        head, separator, note = body.partition(b"\n\n")
        if not separator or not head.isascii():
            raise MalformedNoteError("a request is ASCII lines, an empty line and a checkpoint")
        first, *lines = head.decode().split("\n")
        if not first.startswith("old "):
            raise MalformedNoteError("a request begins with the line `old <size>`")
        return cls(plain_decimal(first.removeprefix("old "), "the old size"), proof_lines(lines), note)


def refuse_unless_extending(seen: Seen, request: AddCheckpoint, checkpoint: Checkpoint) -> None:
    """Return when the checkpoint may be cosigned after what was seen; the checks stand in the order of C2SP.

    Trusts that the log's signature over the checkpoint is verified.
    """
    if request.old > checkpoint.size:
        raise MalformedNoteError(f"the old size {request.old} is larger than the checkpoint's {checkpoint.size}")
    if request.old != seen.size:
        raise OutdatedSizeError(seen.size)
    if checkpoint.size == seen.size > 0 and checkpoint.root != seen.root:
        raise TwoTreesError(checkpoint.origin, seen.size)
    if not _extends(seen, request, checkpoint):
        raise InconsistentTreeError(seen.size, checkpoint.size)


def _extends(seen: Seen, request: AddCheckpoint, checkpoint: Checkpoint) -> bool:
    """Tell whether the proof holds; the first tree a witness sees extends the empty one without a proof."""
    if seen.size == 0:
        return not request.proof and (checkpoint.size > 0 or checkpoint.root == EMPTY_ROOT)
    return proves_consistency(seen.size, checkpoint.size, request.proof, seen.root, checkpoint.root)
