"""The hash chain: every entry commits to all entries before it.

    entry_hash(n) = SHA-256( 0x00 || entry_hash(n-1) || header(n) || uint32 len || payload(n) )
    header(n)     = uint8 version || uint8 len || stream (UTF-8) || int64 seq || int64 recorded_at_us
    entry_hash(-1) = 32 zero bytes; integers are big-endian

Every field has a fixed width or carries its length, so no two entries share a preimage. The leading byte makes an
entry hash an RFC 6962 (section 2.1) leaf hash: the same 32 bytes serve the chain and the Merkle tree.

What follows the leading byte is the entry's *leaf data*, which C2SP tlog-tiles bundles hold: at most 65,535 bytes. A
payload that leaves no room for the header goes in as its SHA-256, under version 2 of the header; `len` stays its own.
"""

from collections.abc import Callable
from hashlib import sha256
from struct import Struct

import numpy as np

from audit_ledger.domain.audit.page import Page

VERSION, VERSION_BY_DIGEST = 1, 2
GENESIS = bytes(32)
MAX_LEAF_DATA = 65_535
MAX_STREAM_BYTES = 255
_LEAF = b"\x00"
_HEADER_NUMBERS = Struct(">qqI")
_NUMBERS, _NUMBERS_BYTES = _HEADER_NUMBERS.pack, _HEADER_NUMBERS.size

EntryHasher = Callable[[bytes, int, int, bytes], bytes]
"""(previous hash, seq, recorded_at_us, payload) -> entry hash."""

LeafData = Callable[[bytes, int, int, bytes], bytes]
"""(previous hash, seq, recorded_at_us, payload) -> what is hashed after the byte 0x00."""

PageHasher = Callable[[Page], list[bytes]]
"""The same for every entry of a page, with the predecessor that each names."""


def leaf_data_of(stream: str) -> LeafData:
    """Return the function that writes one stream's leaf data; the constant part of the header is packed once."""
    whole, by_digest, limit = _prefix(stream, VERSION), _prefix(stream, VERSION_BY_DIGEST), max_whole_payload(stream)

    def leaf_data(previous: bytes, seq: int, recorded_at_us: int, payload: bytes) -> bytes:
        numbers = _NUMBERS(seq, recorded_at_us, len(payload))
        if len(payload) > limit:
            return b"".join((previous, by_digest, numbers, sha256(payload).digest()))
        return b"".join((previous, whole, numbers, payload))

    return leaf_data


def max_whole_payload(stream: str) -> int:
    """Return the largest payload that is hashed as it is; a larger one goes in by its digest."""
    return MAX_LEAF_DATA - len(GENESIS) - len(_prefix(stream, VERSION)) - _NUMBERS_BYTES


def hasher(stream: str) -> EntryHasher:
    """Return the entry hash function of one stream."""
    leaf_data, whole, limit = leaf_data_of(stream), _prefix(stream, VERSION), max_whole_payload(stream)

    def entry_hash(previous: bytes, seq: int, recorded_at_us: int, payload: bytes) -> bytes:
        length = len(payload)
        if length > limit:
            return sha256(_LEAF + leaf_data(previous, seq, recorded_at_us, payload)).digest()
        return sha256(b"".join((_LEAF, previous, whole, _NUMBERS(seq, recorded_at_us, length), payload))).digest()

    return entry_hash


def page_hasher(stream: str) -> PageHasher:
    """Return `hasher` for pages: what stands before the payloads is put together at once."""
    prefix, limit, entry_hash = _prefix(stream, VERSION), max_whole_payload(stream), hasher(stream)
    head = np.dtype([("prev_hash", "V32"), ("prefix", f"V{len(prefix)}"), ("numbers", f"V{_NUMBERS_BYTES}")])
    leaf = sha256(_LEAF).copy

    def entry_hashes(page: Page) -> list[bytes]:
        if page.longest > limit:
            return [entry_hash(row[2], row[0], row[1], row[4]) for row in page.rows()]
        heads = np.empty(len(page), head)
        heads["prev_hash"], heads["prefix"], heads["numbers"] = page.previous_hashes, np.void(prefix), page.numbers
        joined, size, content, found = heads.tobytes(), head.itemsize, memoryview(page.content), []
        for at, start, end in zip(range(0, len(joined), size), page.bounds, page.payload_ends, strict=False):
            hashed = leaf()
            hashed.update(joined[at:at + size])
            hashed.update(content[start:end])
            found.append(hashed.digest())
        return found

    return entry_hashes


def _prefix(stream: str, version: int) -> bytes:
    name = stream.encode()
    if not 0 < len(name) <= MAX_STREAM_BYTES:
        message = f"a stream name has 1 to {MAX_STREAM_BYTES} bytes, not {len(name)}"
        raise ValueError(message)
    return bytes((version, len(name))) + name
