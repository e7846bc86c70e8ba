"""The one spelling of a path: whatever has another spelling is refused before anything is routed or decided.

On every ASGI server tried, `/admin%2fusers` and `/admin/users%0a` reached the handler of `/admin/users`. So nothing is
normalised here: RFC 3986 section 6.2.2 (case, percent-encoding, dot segments) says what a path would become, and a
path that would change, or that another parser would read differently, is an error of its sender.
"""

import re
import unicodedata
from typing import ClassVar
from urllib.parse import unquote_to_bytes

from shared_kernel.errors import InvalidInputError

MAX_PATH_BYTES = 2048

_PLAIN = re.compile(rb"/|(?:/[\w~-]+(?:\.[\w~-]+)*)+/?")
"""The paths that need no second look: unreserved characters, dots only between others."""

_REFUSALS: tuple[tuple[str, re.Pattern[bytes]], ...] = tuple(
    (reason, re.compile(pattern))
    for reason, pattern in (
        ("not-absolute", rb"\A(?!/)"),
        ("control-character", rb"[\x00-\x20\x7f]|%(?:[01][0-9A-Fa-f]|7[Ff])"),
        ("not-ascii", rb"[\x80-\xff]"),
        ("fragment", rb"#|%23"),
        ("query", rb"\?|%3[Ff]"),
        ("backslash", rb"\\|%5[Cc]"),
        ("encoded-slash", rb"%2[Ff]"),
        ("double-encoding", rb"%25"),
        ("malformed-encoding", rb"%(?![0-9A-Fa-f]{2})"),
        ("path-parameter", rb";|%3[Bb]"),
        ("dot-segment", rb"/(?:\.|%2[Ee])+(?:/|\Z)"),
        ("empty-segment", rb"//"),
        ("needless-encoding", rb"%(?:2[DdEe]|3[0-9]|4[1-9A-Fa-f]|5[0-9AaFf]|6[1-9A-Fa-f]|7[0-9AaEe])"),
        ("hidden-segment", rb"/\.(?!well-known(?:/|\Z)|search\Z)"),
        ("trailing-dot-or-space", rb"(?:\.|%20)(?:/|\Z)|/%20"),
        ("drive-letter", rb"/[A-Za-z](?::|%3[Aa])"),
        ("hexadecimal-notation", rb"(?i:0x(?:0[0-9a-d]|25|2e|2f|5c))"),
        ("unencoded-character", rb"[\"<>\[\]^`{|}]"),
        ("lowercase-encoding", rb"%(?:[a-f][0-9A-Fa-f]|[0-9A-F][a-f])"),
    )
)

_LOOKALIKES = frozenset("\u2044\u2215\u2216\u29f5\u29f8\u29f9")
"""Slashes and backslashes that Unicode normalisation leaves alone and some file system does not."""


class PathRefusedError(InvalidInputError):
    """The path has another spelling, or is read differently elsewhere; `reason` names the rule."""

    kind: ClassVar[str] = "path-refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the path is not in its canonical form ({reason}): send it as RFC 3986 normalises it")
        self.reason = reason


class QueryRefusedError(InvalidInputError):
    """The query holds a NUL, which no text of ours may hold and PostgreSQL does not take."""

    kind: ClassVar[str] = "query-refused"

    def __init__(self) -> None:
        super().__init__("the query string holds a NUL character (%00): leave it out")


def refuse_unusable_query(raw: bytes) -> None:
    """Raise QueryRefusedError for a query string no route can use."""
    if b"%00" in raw:
        raise QueryRefusedError


def canonical_path(raw: bytes) -> str:
    """Return the decoded path of a request target without its query; raise PathRefusedError with the rule it breaks."""
    if len(raw) > MAX_PATH_BYTES:
        raise PathRefusedError("too-long")
    if _PLAIN.fullmatch(raw) and b"0x" not in raw and b"0X" not in raw:
        return raw.decode("ascii")
    for reason, pattern in _REFUSALS:
        if pattern.search(raw):
            raise PathRefusedError(reason)
    return _decoded(raw)


def _decoded(raw: bytes) -> str:
    """Decode what is left of percent-encoding: strict UTF-8 (no overlong forms), visible and normalised characters."""
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as cause:
        raise PathRefusedError("invalid-utf8") from cause
    if not text.isprintable():
        raise PathRefusedError("invisible-character")
    if unicodedata.normalize("NFKC", text) != text:
        raise PathRefusedError("compatibility-character")
    if not _LOOKALIKES.isdisjoint(text):
        raise PathRefusedError("slash-lookalike")
    return text
