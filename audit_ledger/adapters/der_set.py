"""Certificates of an RFC 3161 answer in the order that DER asks of a SET (X.690, 11.6).

OpenSSL, and so most authorities, writes them in any order; the verifying library insists. No signature covers their
order, and putting them in order moves no other byte.
"""

from typing import NamedTuple

_CERTIFICATES = 0xA0
_LONG = 0x80
_LENGTH_BYTES = 4
_PATH = (0, 1, 1, 0)
"""TimeStampResp, its timeStampToken, that ContentInfo's [0] content, the SignedData in it."""


class Part(NamedTuple):
    """One tag-length-value of a DER text."""

    tag: int
    start: int
    content: int
    end: int


def with_sorted_certificates(answer: bytes) -> bytes:
    """Return a TimeStampResp with its certificates in order; what is no such answer comes back as it is."""
    try:
        place = Part(0, 0, 0, len(answer))
        for index in _PATH:
            place = _parts(answer, place)[index]
        certificates = next(part for part in _parts(answer, place) if part.tag == _CERTIFICATES)
        held = _parts(answer, certificates)
    except (IndexError, ValueError, StopIteration):
        return answer
    ordered = b"".join(sorted(answer[part.start:part.end] for part in held))
    return answer[:certificates.content] + ordered + answer[certificates.end:]


def _parts(data: bytes, within: Part) -> list[Part]:
    found, at = [], within.content
    while at < within.end:
        part = _part(data, at)
        if part.end > within.end:
            message = "a part is longer than what holds it"
            raise ValueError(message)
        found.append(part)
        at = part.end
    return found


def _part(data: bytes, at: int) -> Part:
    length, content = data[at + 1], at + 2
    if length & _LONG:
        count = length & ~_LONG
        if not 0 < count <= _LENGTH_BYTES:
            message = "a length is not as DER writes it"
            raise ValueError(message)
        length, content = int.from_bytes(data[content:content + count], "big"), content + count
    return Part(data[at], at, content, content + length)
