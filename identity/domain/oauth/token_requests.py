"""What a token request asks for: parameters that stand once, and the few that may stand often.

`resource` (RFC 8707 section 2) and `audience` (RFC 8693 section 2.1) may be repeated, nothing else.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from identity.domain.oauth.errors import OAuthError
from identity.domain.oauth.parameters import unique

MAX_TARGETS = 10
_REPEATABLE = frozenset({"resource", "audience"})
_MAX_TARGET = 500

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a request to the token endpoint."""

    parameters: Mapping[str, str]
    resources: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()


def read_asked(pairs: Pairs) -> Asked:
    """Return what is asked for; raise OAuthError when a parameter stands twice, invalid_target for a bad resource."""
    listed = list(pairs)
    parameters, broken = unique((name, value) for name, value in listed if name not in _REPEATABLE)
    if broken:
        raise OAuthError("invalid_request", "a parameter stands twice or holds control characters")
    return Asked(parameters, _targets(listed, "resource", _is_resource), _targets(listed, "audience", _is_audience))


def _targets(pairs: Pairs, name: str, is_fit: Callable[[str], bool]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(value for each, value in pairs if each == name and value))
    if len(found) > MAX_TARGETS or not all(is_fit(value) for value in found):
        raise OAuthError("invalid_target", f"{name} must be at most {MAX_TARGETS} absolute URIs without a fragment")
    return found


def _is_resource(text: str) -> bool:
    """Whether a text is an absolute URI without a fragment (RFC 8707 section 2)."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    is_absolute = bool(parts.scheme and (parts.netloc or parts.path))
    return is_absolute and "#" not in text and _is_audience(text)


def _is_audience(text: str) -> bool:
    return len(text) <= _MAX_TARGET and text.isascii() and text.isprintable() and " " not in text


def narrowed(asked: tuple[str, ...], granted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the targets asked for, or all granted when none is; raise OAuthError for one that was not granted."""
    if not set(asked) <= set(granted):
        raise OAuthError("invalid_target", "a resource is asked for that was not granted (RFC 8707 2.2)")
    return asked or granted
