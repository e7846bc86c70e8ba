"""Resource indicators (RFC 8707): for which API a token is meant. `resource` is the one parameter that may repeat."""

from collections.abc import Iterable, Sequence

from identity.domain.oauth.errors import OAuthError
from identity.domain.records import Client

RESOURCE = "resource"
_MAX_RESOURCES = 8

Pairs = Iterable[tuple[str, str]]


def parted(pairs: Pairs) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """Return the pairs that must be unique and, beside them, every resource asked for."""
    found = list(pairs)
    return ([pair for pair in found if pair[0] != RESOURCE],
            tuple(value for name, value in found if name == RESOURCE and value))


def chosen(asked: Sequence[str], client: Client, own_api: str) -> tuple[str, ...]:
    """Return the resources a token shall be for, each once, in order; none asked for means none (our own API).

    Raise OAuthError `invalid_target` (section 2) for one that is not our API and not registered for this client:
    exact comparison, so that a relative URI or one with a fragment never passes.
    """
    found = tuple(dict.fromkeys(asked))
    if len(found) > _MAX_RESOURCES or not {own_api, *client.settings.resources}.issuperset(found):
        raise OAuthError("invalid_target", "a resource is asked for that this client is not registered for (RFC 8707)")
    return found
