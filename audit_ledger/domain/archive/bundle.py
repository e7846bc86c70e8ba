"""The offline bundle: one zip that an auditor takes away and checks without us.

    README.txt  verify.py                        what it is, and how to check it; nobody has to believe them
    manifest.json                                RFC 8785 JSON, see Manifest
    checkpoints/<size>.note                      signed notes with their cosignatures
    entries/<first seq>.bin                      records of at most 4,096 entries
    single/<seq>.bin  single/<seq>.path          one record; its inclusion proof, 32 bytes a step

    record = uint16 len || leaf data || payload, which only leaf data of version 2 does not hold already

Numbers in names have 19 digits. `left` are the RFC 6962 nodes over [0, from), `right` those over [until, size): with
the entries between them they give the root that the last checkpoint signs. `head` is the hash of entry until - 1, so
that an edited last entry is known from a wrong node.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from unicodedata import is_normalized

import orjson

from audit_ledger.domain.canonical import canonical, is_canonical
from audit_ledger.domain.entry import MAX_LEAF_DATA, MAX_STREAM_BYTES, VERSION_BY_DIGEST
from audit_ledger.domain.errors import UncheckableError
from audit_ledger.domain.merkle import Frontier, Span, folded, node_hash, subtrees_of

FORMAT = "gridwarden-ledger-bundle/1"
CHUNK = 4_096
MAX_MEMBER = 1 << 20
"""Bytes of any member but the entries."""
README, VERIFIER, MANIFEST = "README.txt", "verify.py", "manifest.json"
_PARTS = 10
_HASH = 32
_HASH_TEXT = re.compile("[0-9a-f]{64}")
_LENGTH = Struct(">H")
_NUMBERS = Struct(">qqI")


class NoBundleError(UncheckableError):
    """The file is not a bundle that could be checked."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says it holds; `consistency` has one proof between each checkpoint and the next."""

    stream: str
    first: int
    until: int
    head: bytes
    left: tuple[bytes, ...]
    right: tuple[bytes, ...]
    singles: tuple[int, ...]
    checkpoints: tuple[int, ...]
    consistency: tuple[tuple[bytes, ...], ...]

    @property
    def size(self) -> int:
        """The size of the checkpoint that covers everything in the bundle."""
        return self.checkpoints[-1]

    @property
    def covers(self) -> int:
        """How many entries a checkpoint must have to cover everything in the bundle."""
        return max([self.until, *(seq + 1 for seq in self.singles)])

    @property
    def chunks(self) -> range:
        """The first position of each chunk."""
        return range(self.first, self.until, CHUNK)

    def to_bytes(self) -> bytes:
        """Return manifest.json."""
        return canonical({
            "format": FORMAT, "stream": self.stream, "from": self.first, "until": self.until, "head": self.head.hex(),
            "left": _texts(self.left), "right": _texts(self.right), "singles": list(self.singles),
            "checkpoints": list(self.checkpoints), "consistency": [_texts(path) for path in self.consistency],
        })

    @classmethod
    def parse(cls, content: bytes) -> "Manifest":
        """Read manifest.json; NoBundleError when its parts do not fit together."""
        try:
            value = orjson.loads(content)
            if value["format"] != FORMAT or len(value) != _PARTS or canonical(value) != content:
                raise NoBundleError(f"the manifest is not one of {FORMAT}")
            made = cls(
                value["stream"], value["from"], value["until"], _hashes([value["head"]])[0], _hashes(value["left"]),
                _hashes(value["right"]), tuple(value["singles"]), tuple(value["checkpoints"]),
                tuple(_hashes(path) for path in value["consistency"]),
            )
            is_sound = made.is_sound()
        except (KeyError, TypeError, IndexError, AttributeError, ValueError, RecursionError) as cause:
            raise NoBundleError(f"the manifest lacks a part: {cause}") from cause
        if not is_sound:
            raise NoBundleError("the manifest's parts do not fit together")
        return made

    def is_sound(self) -> bool:
        """Tell whether the numbers and the rows of nodes fit together."""
        numbers = (self.first, self.until, *self.singles, *self.checkpoints)
        return (
            0 < len(self.stream.encode()) <= MAX_STREAM_BYTES and is_normalized("NFC", self.stream)
            and all(type(number) is int for number in numbers)
            and min(numbers) >= 0 and max(numbers) == self.size and self.first <= self.until
            and (self.until > 0 or bool(self.singles))
            and self.checkpoints[0] > 0 and list(self.checkpoints) == sorted({*self.checkpoints})
            and len(self.consistency) == len(self.checkpoints) - 1
            and len(self.left) == len(subtrees_of(Span(0, self.first)))
            and len(self.right) == len(subtrees_of(Span(self.until, self.size)))
        )


@dataclass(frozen=True, slots=True)
class Record:
    """One entry as a bundle holds it, its leaf data taken apart; nothing of it is proven."""

    leaf_data: bytes
    payload: bytes

    @property
    def previous(self) -> bytes:
        """The hash of the entry before, as this one says."""
        return self.leaf_data[:_HASH]

    @property
    def numbers(self) -> tuple[int, int]:
        """The position and the time of sealing."""
        seq, at, _ = _numbers(self.leaf_data)
        return seq, at

    def to_bytes(self) -> bytes:
        """Return the record."""
        is_apart = self.leaf_data[_HASH] == VERSION_BY_DIGEST
        return _LENGTH.pack(len(self.leaf_data)) + self.leaf_data + (self.payload if is_apart else b"")


def root_beyond(tree: Frontier, right: Sequence[bytes], size: int) -> bytes:
    """Return the root of `size` leaves: those of the tree, and the nodes over the rest."""
    peaks = [(place.level, held) for place, held in zip(subtrees_of(Span(0, tree.size)), tree.peaks, strict=True)]
    for place, held in zip(subtrees_of(Span(tree.size, size)), right, strict=True):
        level, found = place.level, held
        while peaks and peaks[-1][0] == level:
            level, found = level + 1, node_hash(peaks.pop()[1], found)
        peaks.append((level, found))
    return folded([held for _, held in peaks])


def payload_apart(leaf_data: bytes) -> int | None:
    """Return how many bytes of payload follow the leaf data, None if it holds its payload; NoBundleError if cut."""
    try:
        length = _numbers(leaf_data)[2]
        return min(length, MAX_LEAF_DATA) if leaf_data[_HASH] == VERSION_BY_DIGEST else None
    except (ValueError, IndexError) as cause:
        raise NoBundleError("a record is too short for an entry") from cause


def payload_within(leaf_data: bytes) -> bytes:
    """Return the payload that ends leaf data of version 1."""
    return leaf_data[_numbers_at(leaf_data) + _NUMBERS.size:]


def is_sealed_form(payload: bytes) -> bool:
    """Tell whether the bytes are what the door makes of the value they hold: RFC 8785, NFC, no float, no large int."""
    try:
        return is_canonical(payload, orjson.loads(payload))
    except orjson.JSONDecodeError:
        return False


def note_name(size: int) -> str:
    """Return the member that holds the checkpoint of a size."""
    return f"checkpoints/{size:019}.note"


def chunk_name(first: int) -> str:
    """Return the member that holds the entries from `first` on."""
    return f"entries/{first:019}.bin"


def single_name(seq: int) -> str:
    """Return the member that holds one entry."""
    return f"single/{seq:019}.bin"


def path_name(seq: int) -> str:
    """Return the member that holds one entry's inclusion proof."""
    return f"single/{seq:019}.path"


def _numbers_at(leaf_data: bytes) -> int:
    return _HASH + 2 + leaf_data[_HASH + 1]


def _numbers(leaf_data: bytes) -> tuple[int, int, int]:
    at = _numbers_at(leaf_data)
    if len(leaf_data) < at + _NUMBERS.size:
        raise ValueError(len(leaf_data))
    seq, recorded_at_us, length = _NUMBERS.unpack_from(leaf_data, at)
    return seq, recorded_at_us, length


def _texts(hashes: tuple[bytes, ...]) -> list[str]:
    return [held.hex() for held in hashes]


def _hashes(texts: list[str]) -> tuple[bytes, ...]:
    if not all(_HASH_TEXT.fullmatch(text) for text in texts):
        raise NoBundleError("a hash in the manifest is not 64 hexadecimal digits")
    return tuple(bytes.fromhex(text) for text in texts)
