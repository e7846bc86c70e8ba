"""What a token request asks for: parameters that stand once, and the few that may stand often.

`resource` (RFC 8707 section 2) and `audience` (RFC 8693 section 2.1) may be repeated, nothing else. What was granted
can be narrowed, never widened.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from identity.domain.oauth.authorization_details import Details
from identity.domain.oauth.authorization_details import read as read_details
from identity.domain.oauth.errors import OAuthError
from identity.domain.oauth.parameters import unique

MAX_TARGETS = 10
_REPEATABLE = ("resource", "audience")

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class TokenParameters:
    """The parameters of a request to the token endpoint."""

    values: Mapping[str, str]
    resources: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()


def read_token_parameters(pairs: Pairs) -> TokenParameters:
    """Return what is asked for; raise OAuthError when a parameter stands twice or too many targets are named."""
    listed = list(pairs)
    values, broken = unique((name, value) for name, value in listed if name not in _REPEATABLE)
    if broken:
        raise OAuthError("invalid_request", "a parameter stands twice or holds control characters")
    return TokenParameters(values, *(_targets(listed, name) for name in _REPEATABLE))


def _targets(pairs: Pairs, name: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(value for each, value in pairs if each == name and value))
    if len(found) > MAX_TARGETS:
        raise OAuthError("invalid_target", f"name at most {MAX_TARGETS} times a {name}")
    return found


def narrowed(asked: tuple[str, ...], granted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the resources asked for, or all granted when none is; raise OAuthError for one that was not granted.

    Exact comparison with what was checked when it was granted: no relative URI, no fragment can pass.
    """
    if not set(asked) <= set(granted):
        raise OAuthError("invalid_target", "a resource is asked for that was not granted (RFC 8707 2.2)")
    return asked or granted


def narrowed_details(text: str | None, granted: Details) -> Details:
    """Return the authorization details asked for, or all granted; raise OAuthError for one not granted (RFC 9396 6)."""
    if text is None:
        return granted
    asked = read_details(text, tuple(str(detail["type"]) for detail in granted))
    if not all(detail in granted for detail in asked):
        raise OAuthError("invalid_authorization_details", "a detail is asked for that was not granted (RFC 9396 6)")
    return asked
