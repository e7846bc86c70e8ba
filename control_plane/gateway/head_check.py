"""Which request heads are taken at all, beyond what llhttp refuses by itself: one table of rules, in order.

Every rule closes a way in which two parsers read one head differently (RFC 9112 sections 3.2, 6.1, 6.3, 11.2). Methods
are none of its business: llhttp refuses those it does not know, and the routes answer 405 with those that they take.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MAX_HEAD_BYTES = 16_384
MAX_FIELDS = 100
VERSIONS = frozenset({"1.0", "1.1"})
TARGET = re.compile(rb"/[\x21\x22\x24-\x7e]*")
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_SINGLE = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect", b"upgrade"})
_LOOKALIKES = frozenset({b"content_length", b"transfer_encoding"})
"""What servers of the CGI kind fold into the fields that frame a message."""


class RefusedHeadError(Exception):
    """A request's head we do not take, with the status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass(slots=True)
class Head:
    """A request's head as parsed; `single` has the fields that may stand once, by name."""

    version: str
    method: bytes
    target: bytes
    field_bytes: int
    single: dict[bytes, bytes]

    @property
    def request_line(self) -> bytes:
        """The one spelling of the request line (RFC 9112 section 3): single spaces, and HTTP."""
        return b"%b %b HTTP/%b\r\n" % (self.method, self.target, self.version.encode("ascii"))

    @property
    def has_body(self) -> bool:
        """Tell whether the head announces a body, even an empty one."""
        return b"transfer-encoding" in self.single or b"content-length" in self.single


def _coding_is_odd(head: Head) -> bool:
    """Chunked is the only transfer coding, in HTTP/1.1 only and never beside a length (RFC 9112 section 6.1)."""
    coding = head.single.get(b"transfer-encoding")
    if coding is None:
        return False
    return head.version != "1.1" or coding.lower() != b"chunked" or b"content-length" in head.single


def _host_is_odd(head: Head) -> bool:
    host = head.single.get(b"host")
    return head.version == "1.1" if host is None else not _HOST.fullmatch(host)


_RULES: tuple[tuple[int, str, Callable[[Head], bool]], ...] = (
    (505, "http-version", lambda head: head.version not in VERSIONS),
    (400, "target-form", lambda head: not TARGET.fullmatch(head.target)),
    (431, "head-too-long", lambda head: len(head.target) + head.field_bytes > MAX_HEAD_BYTES),
    (400, "host", _host_is_odd),
    (400, "transfer-encoding", _coding_is_odd),
    (417, "expect", lambda head: head.single.get(b"expect", b"100-continue").lower() != b"100-continue"),
)


def checked_head(
    version: str, method: bytes, target: bytes, fields: Sequence[tuple[bytes, bytes]], field_bytes: int,
) -> Head:
    """Return the head when every rule holds; raise RefusedHeadError with the first that does not."""
    single: dict[bytes, bytes] = {}
    for name, value in fields:
        if name in _SINGLE:
            if name in single:
                raise RefusedHeadError(400, f"two-fields-{name.decode()}")
            single[name] = value
        elif name in _LOOKALIKES:
            raise RefusedHeadError(400, "framing-lookalike")
    head = Head(version, method, target, field_bytes, single)
    for status, reason, breaks in _RULES:
        if breaks(head):
            raise RefusedHeadError(status, reason)
    return head
