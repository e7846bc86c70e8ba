"""Redirect URIs match character for character; only the port of a loopback address is free (RFC 8252 section 7.3)."""

import re
from urllib.parse import urlsplit

_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\])(?::(\d{1,5}))?(/[^#\s\\]*)?", re.ASCII)
_MAX_PORT = 65_535
_PRINTABLE = re.compile(r"[!-~]{1,2000}", re.ASCII)
_FORBIDDEN_SCHEMES = frozenset({"javascript", "data", "file", "vbscript", "blob", "about", "ws", "wss", "ftp"})


def is_registered(uri: str, registered: tuple[str, ...]) -> bool:
    """Whether `uri` is one of the registered ones (RFC 9700 section 2.1)."""
    if uri in registered:
        return True
    asked = _without_port(uri)
    return asked is not None and any(asked == _without_port(known) for known in registered)


def _without_port(uri: str) -> tuple[str, str] | None:
    match = _LOOPBACK.fullmatch(uri)
    return (match[1], match[3] or "") if match and int(match[2] or 0) <= _MAX_PORT else None


def may_be_registered(uri: str) -> bool:
    """Whether a URI may be registered: absolute, no fragment, no user part, https or loopback or a private scheme."""
    if not _PRINTABLE.fullmatch(uri) or "#" in uri or "\\" in uri or "*" in uri:
        return False
    try:
        parts = urlsplit(uri)
        named = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(named[0]) and "@" not in parts.netloc
    if parts.scheme == "http":
        return _without_port(uri) is not None or (named[0] == "localhost" and "@" not in parts.netloc)
    return "." in parts.scheme and parts.scheme not in _FORBIDDEN_SCHEMES


def origin_of(uri: str) -> str:
    """Return what a CSP `form-action` must name so that a form's redirect may end at `uri`."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"
