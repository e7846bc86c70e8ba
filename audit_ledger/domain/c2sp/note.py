"""Signed notes (C2SP signed-note): a text, a blank line, and lines `— name base64(key id || signature)`.

A verifier key is `name+hhhhhhhh+base64(algorithm || key)`; hhhhhhhh, the key id, is the first 4 bytes of
SHA-256(name || LF || algorithm || key). The algorithm is data, so that another kind of key can follow.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit_ledger.domain.c2sp.ed25519 import is_signed, private_key, public_key
from audit_ledger.domain.errors import MalformedNoteError, UntrustedNoteError

ED25519 = 1
COSIGNATURE_V1 = 4
MAX_SIGNATURES = 100
MAX_NOTE_BYTES = 1_000_000
"""Room for that many post-quantum signatures of 5 kB."""
MAX_TIME_S = 2**63 - 1
_UNSUPPORTED = {2: "ECDSA", 5: "an RFC 6962 tree head", 6: "ML-DSA-44"}
"""Signature types that C2SP assigns and this version does not verify; a new one moves to `_CHECKS` below."""
_KEY_ID_BYTES = 4
_TIMESTAMP_BYTES = 8
_DASH = "\u2014 "
_FIRST_PRINTABLE = 0x20
_SIGNER_PARTS = 5


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name it signs for."""

    name: str
    algorithm: int
    key: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return _key_id(self.name, bytes((self.algorithm,)) + self.key)

    def __str__(self) -> str:
        material = base64.b64encode(bytes((self.algorithm,)) + self.key).decode()
        return f"{self.name}+{self.key_id.hex()}+{material}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Read the C2SP text form; anything but that one form is MalformedNoteError."""
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        material = strict_base64(encoded)
        if not is_key_name(name) or not material:
            raise MalformedNoteError("a verifier key is name+key id+base64")
        if material[0] not in _CHECKS:
            raise MalformedNoteError(
                f"the verifier key of {name} is of type {material[0]} "
                f"({_UNSUPPORTED.get(material[0], 'unknown')}), which this version cannot verify: "
                f"give an Ed25519 key, type {ED25519} or {COSIGNATURE_V1}")
        if _key_id(name, material).hex() != key_id:
            raise MalformedNoteError("the verifier key's name and key id do not belong to its key")
        public_key(material[1:])
        return cls(name, material[0], material[1:])

    def has_signed(self, text: str, signature: bytes) -> bool:
        """Tell whether this key made the signature over the note text."""
        return _CHECKS[self.algorithm](self.key, text, signature)


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """An Ed25519 key that signs notes under a name; its text form is secret."""

    name: str
    seed: bytes

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        raw = private_key(self.seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return VerifierKey(self.name, ED25519, raw)

    def __repr__(self) -> str:
        return f"NoteSigner({self.name!r})"

    def to_secret_text(self) -> str:
        """Return `PRIVATE+KEY+name+hhhhhhhh+base64`, as Go's sumdb/note writes it."""
        material = base64.b64encode(bytes((ED25519,)) + self.seed).decode()
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{material}"

    @classmethod
    def parse(cls, text: str) -> "NoteSigner":
        """Read the secret text form; the error never shows it."""
        parts = text.split("+", _SIGNER_PARTS - 1)
        if len(parts) != _SIGNER_PARTS or parts[:2] != ["PRIVATE", "KEY"] or not is_key_name(parts[2]):
            raise MalformedNoteError("the key file does not hold a note signing key")
        material = strict_base64(parts[4])
        if material[:1] != bytes((ED25519,)):
            raise MalformedNoteError("the signing key is not an Ed25519 key")
        signer = cls(parts[2], material[1:])
        if signer.verifier.key_id.hex() != parts[3]:
            raise MalformedNoteError("the key file is damaged: its key id does not match")
        return signer

    def sign(self, text: str) -> str:
        """Return the signed note of a text that ends with a newline."""
        if not text.endswith("\n"):
            raise MalformedNoteError("a note's text ends with a newline")
        return f"{text}\n{signature_line(self.verifier, private_key(self.seed).sign(text.encode()))}"


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A note's text and who of the trusted signed it."""

    text: str
    verified: tuple[VerifierKey, ...]
    unverified: tuple[Signature, ...]
    signatures: tuple[bytes, ...] = ()
    """Of the verified, in their order."""


def open_note(note: bytes, trusted: Iterable[VerifierKey]) -> OpenedNote:
    """Return the note once a trusted key's signature verifies.

    A signature that claims a trusted key and fails raises UntrustedNoteError even beside a good one.
    """
    keys = [(key.name, key.key_id, key) for key in trusted]
    text, signatures = split_note(note)
    verified: dict[VerifierKey, bytes] = {}
    unverified: list[Signature] = []
    for line in dict.fromkeys(signatures):
        known = [key for name, key_id, key in keys if (name, key_id) == (line.name, line.key_id)]
        if len(known) > 1:
            raise UntrustedNoteError(f"two trusted keys share the name and key id {line.name}+{line.key_id.hex()}")
        if not known:
            unverified.append(line)
        elif known[0] in verified:
            continue
        elif known[0].has_signed(text, line.signature):
            verified[known[0]] = line.signature
        else:
            raise UntrustedNoteError(f"the signature of {line.name} does not verify")
    if not verified:
        raise UntrustedNoteError("no trusted key signed the note")
    return OpenedNote(text, tuple(verified), tuple(unverified), tuple(verified.values()))


def split_note(note: bytes) -> tuple[str, list[Signature]]:
    """Return the text and the signature lines; MalformedNoteError unless every byte is where C2SP puts it."""
    if len(note) > MAX_NOTE_BYTES:
        raise MalformedNoteError(f"the note is longer than {MAX_NOTE_BYTES} bytes")
    try:
        decoded = note.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise MalformedNoteError(f"the note is not UTF-8 at byte {cause.start}") from cause
    if any(ord(char) < _FIRST_PRINTABLE and char != "\n" for char in decoded):
        raise MalformedNoteError("the note holds a control character")
    body, separator, tail = decoded.rpartition("\n\n")
    if not separator or not tail.endswith("\n"):
        raise MalformedNoteError("the note has no signatures after a blank line")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise MalformedNoteError(f"the note has more than {MAX_SIGNATURES} signatures")
    return body + "\n", [_signature(line) for line in lines]


def signature_line(key: VerifierKey, signature: bytes) -> str:
    """Return the line that says: this key made this signature."""
    return f"{_DASH}{key.name} {base64.b64encode(key.key_id + signature).decode()}\n"


def cosigned_message(text: str, time_s: int) -> bytes:
    """Return what a cosignature/v1 of that time signs (C2SP tlog-cosignature, Ed25519 signed message)."""
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def cosigned_at(signature: bytes) -> int:
    """Return the POSIX time in the first eight bytes of a cosignature."""
    return int.from_bytes(signature[:_TIMESTAMP_BYTES], "big")


def strict_base64(text: str) -> bytes:
    """Decode standard base64 that is written in its one canonical way."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as cause:
        raise MalformedNoteError("a part that must be base64 is not") from cause
    if base64.b64encode(raw).decode() != text:
        raise MalformedNoteError("a base64 part is not in canonical form")
    return raw


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    raw = strict_base64(encoded)
    if not line.startswith(_DASH) or not is_key_name(name) or len(raw) <= _KEY_ID_BYTES:
        raise MalformedNoteError("a signature line is not `— name base64`")
    return Signature(name, raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:])


def is_key_name(name: str) -> bool:
    """Tell whether a key may be called so: no spaces of any script, no plus."""
    return bool(name) and "+" not in name and not any(char.isspace() for char in name)


def _key_id(name: str, material: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + material).digest()[:_KEY_ID_BYTES]


def _is_plain(key: bytes, text: str, signature: bytes) -> bool:
    return is_signed(public_key(key), text.encode(), signature)


def _is_timestamped(key: bytes, text: str, signature: bytes) -> bool:
    time_s = cosigned_at(signature)
    return time_s <= MAX_TIME_S and is_signed(
        public_key(key), cosigned_message(text, time_s), signature[_TIMESTAMP_BYTES:])


_CHECKS: Mapping[int, Callable[[bytes, str, bytes], bool]] = {ED25519: _is_plain, COSIGNATURE_V1: _is_timestamped}
"""How each signature type is verified: key, note text, signature."""
