"""Checkpoints (C2SP tlog-checkpoint): origin, size and root, one a line, signed as a note."""

import base64
import re
from dataclasses import dataclass

from audit_ledger.domain.c2sp.note import NoteSigner, VerifierKey, open_note, split_note, strict_base64
from audit_ledger.domain.errors import MalformedNoteError

MAX_SIZE = 2**63 - 1
_ROOT_BYTES = 32
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits to: its first `size` entries have this root."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return the note text."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read the note text: decimal without sign, zeros, underscores or foreign digits; canonical base64."""
        if not text.endswith("\n"):
            raise MalformedNoteError("a checkpoint ends with a newline")
        origin, *rest = text[:-1].split("\n")
        if not origin or len(rest) < 2:  # noqa: PLR2004 - size and root
            raise MalformedNoteError("a checkpoint has an origin, a size and a root")
        size, root, *extensions = rest
        entries = plain_decimal(size, "a checkpoint's size")
        raw = strict_base64(root)
        if len(raw) != _ROOT_BYTES or "" in extensions:
            raise MalformedNoteError("a checkpoint's root is a SHA-256, its extension lines are not empty")
        return cls(origin, entries, raw, tuple(extensions))

    def signed_by(self, signer: NoteSigner) -> bytes:
        """Return the signed note."""
        return signer.sign(self.to_text()).encode()


def plain_decimal(text: str, what: str) -> int:
    """Read a number as C2SP writes it; `int` alone would take `+5`, `05`, `1_000` and full-width digits."""
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise MalformedNoteError(f"{what} is a plain decimal number below 2^63")
    return int(text)


def open_checkpoint(note: bytes, origin: str, *trusted: VerifierKey) -> Checkpoint:
    """Return the checkpoint of a note that a trusted key signed for this origin."""
    checkpoint = Checkpoint.parse(open_note(note, trusted).text)
    if checkpoint.origin != origin:
        raise MalformedNoteError(f"the checkpoint is of {checkpoint.origin}, not of {origin}")
    return checkpoint


def read_unverified(note: bytes) -> Checkpoint:
    """Return what a note claims, without asking who signed it: only for an auditor who has no key."""
    return Checkpoint.parse(split_note(note)[0])
