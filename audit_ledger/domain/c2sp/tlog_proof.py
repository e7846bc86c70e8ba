"""Self-contained proofs (C2SP tlog-proof@v1): an entry's place, its path to the root, and the checkpoint, in one text.

    c2sp.org/tlog-proof@v1
    extra <base64>              may be missing
    index <decimal>
    <base64 of a hash>          leaf's sibling first, none for the only leaf
                                an empty line
    <the signed checkpoint, verbatim>

Nobody signed the extra data: it proves nothing.
"""

import base64
from dataclasses import dataclass

from audit_ledger.domain.c2sp.checkpoint import plain_decimal
from audit_ledger.domain.c2sp.note import MAX_NOTE_BYTES, strict_base64
from audit_ledger.domain.c2sp.tlog_policy import Policy, Witnessed
from audit_ledger.domain.errors import MalformedNoteError, UntrustedNoteError
from audit_ledger.domain.proofs import proves_inclusion

HEADER = "c2sp.org/tlog-proof@v1"
MAX_PATH = 63
"""Hashes from a leaf to the root of the largest tree."""
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class TlogProof:
    """Shows offline that the leaf at `index` is in the checkpoint's tree; store it as `.tlog-proof`."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def to_bytes(self) -> bytes:
        """Return the text form."""
        extra = () if self.extra is None else (f"extra {base64.b64encode(self.extra).decode()}",)
        steps = (base64.b64encode(step).decode() for step in self.path)
        lines = (HEADER, *extra, f"index {self.index}", *steps, "")
        return "".join(f"{line}\n" for line in lines).encode() + self.checkpoint

    @classmethod
    def parse(cls, content: bytes) -> "TlogProof":
        """Read the text form; MalformedNoteError unless every byte is where C2SP puts it."""
        if len(content) > 2 * MAX_NOTE_BYTES:
            raise MalformedNoteError(f"the proof is longer than {2 * MAX_NOTE_BYTES} bytes")
        head, separator, checkpoint = content.partition(b"\n\n")
        if not separator or not checkpoint.endswith(b"\n") or not head.isascii():
            raise MalformedNoteError("a proof is ASCII lines, an empty line and a checkpoint")
        header, *lines = head.decode().split("\n")
        if header != HEADER:
            raise MalformedNoteError(f"a proof begins with the line {HEADER}")
        extra = _extra(lines.pop(0)) if lines and lines[0].startswith("extra ") else None
        index = lines.pop(0) if lines else ""
        if not index.startswith("index "):
            raise MalformedNoteError("a proof names the index of its entry")
        return cls(plain_decimal(index.removeprefix("index "), "an index"), proof_lines(lines), checkpoint, extra)

    def verified(self, leaf: bytes, policy: Policy, *, now_s: int) -> Witnessed:
        """Return the checkpoint that holds this leaf hash, as the policy judges it.

        UntrustedNoteError when the policy does not accept the checkpoint or the path does not lead to its root.
        """
        witnessed = policy.judge(self.checkpoint, now_s=now_s)
        signed = witnessed.checkpoint
        if not witnessed.has_quorum:
            raise UntrustedNoteError(f"the checkpoint of {signed.size} entries lacks the policy's quorum of witnesses")
        if not proves_inclusion(leaf, self.index, signed.size, self.path, signed.root):
            raise UntrustedNoteError(f"the proof does not lead from entry {self.index} to the signed root")
        return witnessed


def proof_lines(lines: list[str]) -> tuple[bytes, ...]:
    """Read one base64 SHA-256 a line, as proofs and requests to witnesses write them."""
    if len(lines) > MAX_PATH:
        raise MalformedNoteError(f"a proof has at most {MAX_PATH} hashes")
    path = tuple(strict_base64(line) for line in lines)
    if any(len(step) != _HASH_BYTES for step in path):
        raise MalformedNoteError("each line of a proof is the base64 of 32 bytes")
    return path


def _extra(line: str) -> bytes:
    extra = strict_base64(line.removeprefix("extra "))
    if not extra:
        raise MalformedNoteError("an extra line without data is left out")
    return extra
