r"""Whether two spellings name one place: `htu` against the request's own URL (RFC 9449 section 4.3, item 9).

Query and fragment do not count. Scheme and host in any case, the default port or none, dot segments taken out, needless
percent-encoding undone (RFC 3986 sections 6.2.2 and 6.2.3). An encoded `/`, `?`, `#`, `%` or `\` stays encoded.
"""

import re
from functools import lru_cache
from urllib.parse import unquote

_PARTS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::(?P<port>[0-9]*))?"
    r"(?P<path>/[^?#]*)?(?:[?#].*)?", re.DOTALL)
_HARMLESS = re.compile(r"(?:%(?!2[Ff]|3[Ff]|23|25|5[Cc])[0-9A-Fa-f]{2})+")
_DEFAULT_PORTS = {"https": "443", "http": "80"}
_MAX_URI = 4_096

Target = tuple[str, str, str, str]


def is_same_target(claimed: object, url: str) -> bool:
    """Whether the URI a client signed names the URL it called; `url` is ours, its path already decoded."""
    if claimed == url:
        return True
    if not isinstance(claimed, str) or len(claimed) > _MAX_URI or not claimed.isascii():
        return False
    found = _target(claimed)
    return found is not None and found == _own(url)


@lru_cache(maxsize=1_024)
def _own(url: str) -> Target | None:
    return _target(url)


def _target(text: str) -> Target | None:
    """Return scheme, host, port and path in their normal form, None for what is no URL of a web server."""
    parts = _PARTS.fullmatch(text)
    if parts is None:
        return None
    scheme = parts["scheme"].lower()
    port = parts["port"] or _DEFAULT_PORTS.get(scheme)
    path = _decoded(parts["path"] or "/")
    if port is None or path is None:
        return None
    return scheme, parts["host"].lower(), port, _without_dots(path)


def _decoded(path: str) -> str | None:
    try:
        return _HARMLESS.sub(lambda run: unquote(run[0], errors="strict"), path)
    except UnicodeDecodeError:
        return None


def _without_dots(path: str) -> str:
    """Return the path without `.` and `..` segments (RFC 3986 section 5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)
