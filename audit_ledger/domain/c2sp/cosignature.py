r"""Witness cosignatures (C2SP tlog-cosignature, cosignature/v1): an Ed25519 signature with the time it was made.

    signature = 8 bytes POSIX time, big-endian || Ed25519("cosignature/v1\ntime <decimal>\n" || note text)

A witness says by it: at that time this was the largest tree I had seen of this log, and it extended all I saw before.
"""

from dataclasses import dataclass

from audit_ledger.domain.c2sp.ed25519 import SIGNATURE_BYTES, private_key
from audit_ledger.domain.c2sp.note import (
    COSIGNATURE_V1,
    ED25519,
    MAX_TIME_S,
    NoteSigner,
    VerifierKey,
    cosigned_at,
    cosigned_message,
    open_note,
    signature_line,
    split_note,
)
from audit_ledger.domain.errors import MalformedNoteError, UntrustedNoteError

_TIME_BYTES = 8


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A witness's secret key; kept in the text form of any note signing key, as the Go witness does."""

    signer: NoteSigner

    @property
    def verifier(self) -> VerifierKey:
        """The public half, of type 4: what a policy names."""
        return as_cosigner(self.signer.verifier)

    def cosign(self, text: str, time_s: int) -> str:
        """Return the cosignature line for a checkpoint's note text."""
        made = private_key(self.signer.seed).sign(cosigned_message(text, time_s))
        return signature_line(self.verifier, time_s.to_bytes(_TIME_BYTES, "big") + made)


def as_cosigner(key: VerifierKey) -> VerifierKey:
    """Return the cosignature key of a witness that is known by its plain Ed25519 key."""
    return VerifierKey(key.name, COSIGNATURE_V1, key.key) if key.algorithm == ED25519 else key


def timestamp_of(signature: bytes) -> int:
    """Return the POSIX time inside a cosignature/v1; MalformedNoteError for anything but its 72 bytes."""
    if len(signature) != _TIME_BYTES + SIGNATURE_BYTES:
        raise MalformedNoteError(f"a cosignature/v1 has {_TIME_BYTES + SIGNATURE_BYTES} bytes, not {len(signature)}")
    if cosigned_at(signature) > MAX_TIME_S:
        raise MalformedNoteError("a cosignature's time is below 2^63")
    return cosigned_at(signature)


@dataclass(frozen=True, slots=True)
class Cosignature:
    """What one witness said of one checkpoint: when, and the signature line to append to the note."""

    witness: VerifierKey
    time_s: int
    line: str


def accepted_cosignature(note: bytes, answer: bytes, witness: VerifierKey) -> Cosignature:
    """Return the witness's cosignature out of an add-checkpoint answer; lines of unknown keys are ignored.

    UntrustedNoteError when it is not there or does not verify over this very note.
    """
    opened = open_note(note + answer, (witness,))
    if opened.text != split_note(note)[0]:
        raise UntrustedNoteError(f"{witness.name} signed another text than the checkpoint")
    [signature] = opened.signatures
    return Cosignature(witness, timestamp_of(signature), signature_line(witness, signature))
