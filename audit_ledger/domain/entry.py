"""The hash chain: every entry commits to all entries before it.

    entry_hash(n) = SHA-256( 0x00 || entry_hash(n-1) || header(n) || uint32 len || payload(n) )
    header(n)     = uint8 version || uint8 len || stream (UTF-8) || int64 seq || int64 recorded_at_us
    entry_hash(-1) = 32 zero bytes; integers are big-endian

Every field has a fixed width or carries its length, so no two entries share a preimage. The leading byte makes an
entry hash an RFC 6962 (section 2.1) leaf hash: the same 32 bytes serve the chain and the Merkle tree.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from itertools import repeat
from struct import Struct

VERSION = 1
GENESIS = bytes(32)
MAX_STREAM_BYTES = 255
_LEAF = b"\x00"
_NUMBERS = Struct(">qqI").pack

EntryHasher = Callable[[bytes, int, int, bytes], bytes]
"""(previous hash, seq, recorded_at_us, payload) -> entry hash."""


PageHasher = Callable[[Iterable[bytes], Iterable[int], Iterable[int], Sequence[bytes]], list[bytes]]
"""The same for a page, column by column."""


def hasher(stream: str) -> EntryHasher:
    """Return the entry hash function of one stream; the constant part of the header is packed once."""
    prefix = _prefix(stream)

    def entry_hash(previous: bytes, seq: int, recorded_at_us: int, payload: bytes) -> bytes:
        numbers = _NUMBERS(seq, recorded_at_us, len(payload))
        return sha256(b"".join((_LEAF, previous, prefix, numbers, payload))).digest()

    return entry_hash


def page_hasher(stream: str) -> PageHasher:
    """Return `hasher` for many entries whose predecessors' hashes are given: no Python call for each."""
    prefix = _prefix(stream)

    def entry_hashes(
        previous: Iterable[bytes], seqs: Iterable[int], recorded_at_us: Iterable[int], payloads: Sequence[bytes],
    ) -> list[bytes]:
        numbers = map(_NUMBERS, seqs, recorded_at_us, map(len, payloads))
        preimages = map(b"".join, zip(repeat(_LEAF), previous, repeat(prefix), numbers, payloads))
        return [sha256(preimage).digest() for preimage in preimages]

    return entry_hashes


def _prefix(stream: str) -> bytes:
    name = stream.encode()
    if not 0 < len(name) <= MAX_STREAM_BYTES:
        message = f"a stream name has 1 to {MAX_STREAM_BYTES} bytes, not {len(name)}"
        raise ValueError(message)
    return bytes((VERSION, len(name))) + name
