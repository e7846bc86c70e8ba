"""Header fields between the gateway and a service: what may pass, in which direction.

Hop-by-hop fields are dropped both ways, also those that `Connection` names (RFC 9110 section 7.6.1). To the service go
neither the caller's credentials nor cookies, and ours are set by us alone. From the service nothing comes that speaks
for the gateway's own origin: cookies, security and caching policy for all, CORS, credentials, or our fields echoed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared_kernel.context import RequestContext

Headers = list[tuple[bytes, bytes]]

ASSERTION = b"x-gridwarden-assertion"
DEADLINE = b"x-request-timeout-ms"
MAX_HEAD_BYTES, MAX_FIELDS = 32_768, 100

_HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization",
    b"proxy-authentication-info", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings",
})
_NOT_SENT = _HOP_BY_HOP | {
    b"authorization", b"dpop", b"cookie", b"cookie2", b"host", b"content-length", b"expect", b"max-forwards", b"via",
    b"forwarded", b"traceparent", b"tracestate", b"from", b"access-purpose", b"baggage", b"x-request-id", b"x-real-ip",
    DEADLINE,
}
_PREFIXES_NOT_SENT = (b"x-gridwarden-", b"gridwarden-", b"x-forwarded-", b"sec-websocket-", b"proxy-")
_NOT_TAKEN = _HOP_BY_HOP | {
    b"content-length", b"server", b"via", b"set-cookie", b"set-cookie2", b"location", b"content-location", b"refresh",
    b"www-authenticate", b"authentication-info", b"authorization", b"cookie", b"dpop", b"dpop-nonce", b"host",
    b"strict-transport-security", b"content-security-policy", b"content-security-policy-report-only",
    b"public-key-pins", b"expect-ct", b"permissions-policy", b"clear-site-data", b"service-worker-allowed",
    b"sourcemap", b"alt-svc", b"alt-used", b"nel", b"report-to", b"reporting-endpoints", b"forwarded",
    b"traceparent", b"tracestate", b"traceresponse", b"baggage", b"server-timing", b"timing-allow-origin",
    b"pragma", b"expires", b"age", b"warning", b"surrogate-control", b"cdn-cache-control",
    b"x-powered-by", b"x-aspnet-version", b"x-runtime", b"x-request-id", b"x-real-ip", b"x-accel-redirect",
    b"x-accel-buffering", b"x-sendfile", b"x-frame-options", b"x-xss-protection", b"ratelimit", b"ratelimit-policy",
    DEADLINE,
}
_PREFIXES_NOT_TAKEN = (
    b"access-control-", b"cross-origin-", b"x-gridwarden-", b"gridwarden-", b"x-forwarded-", b"x-envoy-", b"sec-",
    b"proxy-", b"set-cookie",
)
_PRIVATE_CACHING = re.compile(rb"(?:^|[,\s])(?:private|no-store|no-cache)(?:$|[,\s])", re.IGNORECASE)
_SHARED_CACHING = re.compile(rb"public|s-maxage|immutable", re.IGNORECASE)
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_DIGITS = re.compile(rb"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Head:
    """A service's answer before its body; its fields are checked and in lower case."""

    status: int
    fields: Headers

    @property
    def length(self) -> int | None:
        """The declared length of the body."""
        found = single(self.fields, b"content-length")
        return None if found is None else int(found)


class UnusableHeadError(Exception):
    """A service's head that cannot be believed; says why."""


def to_service(fields: Headers, context: RequestContext, *, cookies: Iterable[str], public_host: str) -> Headers:
    """Return what of a request's fields the service may see, and who asks for it from where, as we know it."""
    named = _named_by_connection(fields)
    kept = [(name, value) for name, value in fields
            if name not in _NOT_SENT and name not in named and not name.startswith(_PREFIXES_NOT_SENT)
            and _NAME.fullmatch(name) and _is_writable(value)]
    if crumbs := _cookies(fields, frozenset(cookies)):
        kept.append((b"cookie", crumbs))
    if context.purpose is not None:
        kept.append((b"access-purpose", context.purpose.encode()))
    return [*kept, (b"via", b"1.1 gridwarden"), (b"x-request-id", context.request_id.encode()),
            (b"x-forwarded-for", context.source_ip.encode()), (b"x-forwarded-host", public_host.encode())]


def checked_head(status: int, fields: Headers) -> Head:
    """Return a service's head; raise UnusableHeadError for one that two readers may read differently."""
    if not 200 <= status <= 599 and status != 101:  # noqa: PLR2004 - RFC 9110 section 15
        raise UnusableHeadError("its status is unknown")
    if len(fields) > MAX_FIELDS:
        raise UnusableHeadError("too many fields")
    if sum(len(name) + len(value) + 4 for name, value in fields) > MAX_HEAD_BYTES:
        raise UnusableHeadError("its head is too long")
    if not all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in fields):
        raise UnusableHeadError("a field is malformed")
    found = [(name.lower(), value.strip(b" \t")) for name, value in fields]
    lengths = [value for name, value in found if name == b"content-length"]
    codings = [value for name, value in found if name == b"transfer-encoding"]
    if len(lengths) > 1 or (lengths and codings) or not all(_DIGITS.fullmatch(length) for length in lengths):
        raise UnusableHeadError("its length is ambiguous")
    if sum(name == b"content-type" for name, _ in found) > 1:
        raise UnusableHeadError("its type is ambiguous")
    if codings and [coding.lower() for coding in codings] != [b"chunked"]:
        raise UnusableHeadError("its transfer coding is not chunked alone")
    return Head(status, found)


def from_service(fields: Headers, *, cookies: Iterable[str], secrets: tuple[bytes, ...]) -> Headers:
    """Return what of a checked head our client may see; a field that repeats one of `secrets` is an echo."""
    named = _named_by_connection(fields)
    allowed = frozenset(cookies)
    return [
        *((name, value) for name, value in fields
          if name not in _NOT_TAKEN and name not in named and not name.startswith(_PREFIXES_NOT_TAKEN)
          and b"_" not in name and (name != b"cache-control" or _is_private(value))
          and not any(secret in value for secret in secrets)),
        *((name, crumb) for name, value in fields if name == b"set-cookie"
          and (crumb := _own_cookie(value, allowed)) is not None),
    ]


def single(fields: Headers, name: bytes) -> bytes | None:
    """Return the value of a field that stands exactly once."""
    values = [value for known, value in fields if known == name]
    return values[0] if len(values) == 1 else None


def _named_by_connection(fields: Headers) -> frozenset[bytes]:
    return frozenset(token.strip().lower() for name, value in fields if name == b"connection"
                     for token in value.split(b","))


def _is_writable(value: bytes) -> bool:
    """Tell whether a value can be passed on as it is: UTF-8 without control characters (aiohttp cuts others short)."""
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return _VALUE.fullmatch(value) is not None


def _is_private(value: bytes) -> bool:
    return _PRIVATE_CACHING.search(value) is not None and _SHARED_CACHING.search(value) is None


def _cookies(fields: Headers, allowed: frozenset[str]) -> bytes:
    """Return the cookies that are the service's own: the others are sessions of the gateway's origin."""
    crumbs = [crumb.strip() for name, value in fields if name == b"cookie" for crumb in value.split(b";")]
    return b"; ".join(crumb for crumb in crumbs if crumb.partition(b"=")[0].decode("latin-1") in allowed)


def _own_cookie(value: bytes, allowed: frozenset[str]) -> bytes | None:
    """Return a Set-Cookie of an allowed name, for this host alone and out of reach of scripts and of plain HTTP."""
    crumb, *attributes = (part.strip() for part in value.split(b";"))
    if crumb.partition(b"=")[0].decode("latin-1") not in allowed:
        return None
    kept = [part for part in attributes if part.partition(b"=")[0].strip().lower() in {b"path", b"max-age", b"expires"}]
    return b"; ".join((crumb, *kept, b"Secure", b"HttpOnly", b"SameSite=Strict"))
