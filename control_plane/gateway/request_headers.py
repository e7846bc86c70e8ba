"""What a request's header fields say, after everything only a proxy of ours may say has been taken out.

An allow-list: of the `X-` fields only those below reach a handler, names with an underscore never do (WSGI-style
servers fold `X_User` and `X-User` into one), and a field that must be single and is not makes the request malformed.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

from shared_kernel.errors import InvalidInputError

Headers = list[tuple[bytes, bytes]]

MAX_USER_AGENT = 256
_KEPT_X = frozenset({b"x-requested-with"})
_PROXY_FIELDS = frozenset({
    b"forwarded", b"via", b"true-client-ip", b"client-ip", b"client-cert", b"client-cert-chain", b"proxy",
    b"http2-settings", b"front-end-https",
})
_PROXY_PREFIXES = (b"gridwarden-", b"remote-", b"proxy-", b"ssl-", b"cf-", b"fastly-", b"fly-")
"""Fields with which some proxy says who the client is, or how it came."""
_SINGLE = frozenset({
    b"authorization", b"host", b"content-length", b"content-type", b"content-encoding", b"access-purpose", b"origin",
    b"transfer-encoding", b"user-agent", b"x-forwarded-proto", b"client-cert",
})
_PURPOSE = re.compile(rb"[a-z-]{1,40}")


class RepeatedHeaderError(InvalidInputError):
    """A field that may stand once stands more often."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the header field {name} stands more than once: send it once")


class UnusablePurposeError(InvalidInputError):
    """The stated purpose is not a word."""

    def __init__(self) -> None:
        super().__init__("Access-Purpose must be one lower-case word, such as outage-investigation")


class UnsupportedEncodingError(InvalidInputError):
    """The body is compressed; we decompress nothing (415)."""

    kind: ClassVar[str] = "unsupported-encoding"

    def __init__(self) -> None:
        super().__init__("request bodies are taken uncompressed only: leave Content-Encoding out")


@dataclass(slots=True)
class RequestHeaders:
    """The fields the gateway acts on, and those a handler may see."""

    kept: Headers = field(default_factory=list)
    single: dict[bytes, bytes] = field(default_factory=dict)
    forwarded_for: list[bytes] = field(default_factory=list)
    proofs: list[str] = field(default_factory=list)

    def authorization(self) -> str | None:
        """Return the Authorization field as text."""
        value = self.single.get(b"authorization")
        return None if value is None else value.decode("latin-1")

    def purpose(self) -> str | None:
        """Return the stated purpose; raise UnusablePurposeError when it is not a word."""
        value = self.single.get(b"access-purpose")
        if value is None:
            return None
        if not _PURPOSE.fullmatch(value):
            raise UnusablePurposeError
        return value.decode("ascii")

    def user_agent(self) -> str:
        """Return the start of the User-Agent field."""
        return self.single.get(b"user-agent", b"")[:MAX_USER_AGENT].decode("latin-1")

    def declared_length(self) -> int:
        """Return Content-Length, which may lie; 0 when there is none."""
        value = self.single.get(b"content-length", b"0")
        if not value.isdigit():
            raise InvalidInputError("Content-Length is not a number")
        return int(value)


def read_headers(fields: Headers) -> RequestHeaders:
    """Sort a request's fields (names in lower case, as ASGI has them) into what we act on and what may pass."""
    found = RequestHeaders()
    for name, value in fields:
        if name in _SINGLE:
            if name in found.single:
                raise RepeatedHeaderError(name.decode("latin-1"))
            found.single[name] = value
        elif name == b"x-forwarded-for":
            found.forwarded_for.append(value)
        elif name == b"dpop":
            found.proofs.append(value.decode("latin-1"))
        if _may_pass(name):
            found.kept.append((name, value))
    if found.single.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedEncodingError
    return found


@lru_cache(maxsize=1024)
def _may_pass(name: bytes) -> bool:
    """Tell whether a handler may see a field."""
    if name in _KEPT_X:
        return True
    return not (name in _PROXY_FIELDS or b"_" in name or name.startswith((b"x-", *_PROXY_PREFIXES)))
