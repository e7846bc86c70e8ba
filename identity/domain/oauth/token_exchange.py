"""Token exchange (RFC 8693): a token for another audience, never worth more than the one it came from.

The answer names who acts: `act` holds the exchanging client (or the subject of its actor token), and below it whoever
acted before (section 4.1).
"""

from collections.abc import Mapping
from typing import Any

from identity.domain.oauth.access_tokens import AccessToken
from identity.domain.oauth.errors import OAuthError
from identity.domain.records import Client

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
MAX_ACTORS = 4
"""A chain longer than this is a loop between services."""

_OF_A_LOGIN = frozenset({"openid", "offline_access"})
_OURS = frozenset({ACCESS_TOKEN_TYPE, JWT_TYPE})


def check_type(name: str, value: str | None) -> None:
    """Raise OAuthError unless a token type is that of our access tokens, which are JWTs (section 3)."""
    if value not in _OURS:
        raise OAuthError("invalid_request", f"{name} must be {ACCESS_TOKEN_TYPE}")


def audiences_of(asked: tuple[str, ...], subject: AccessToken, client: Client) -> tuple[str, ...]:
    """Return the audiences of the new token; raise OAuthError for one not on the client's list (section 2.2.2)."""
    wanted = asked or subject.audiences
    if not set(wanted) <= set(client.settings.exchange_audiences):
        raise OAuthError("invalid_target", "this client may not exchange tokens towards that audience")
    return wanted


def scopes_of(asked: frozenset[str] | None, subject: AccessToken, client: Client) -> frozenset[str]:
    """Return the scope of the new token: within the subject token's and the client's own, for no login."""
    allowed = (subject.scopes & client.scopes) - _OF_A_LOGIN
    if asked is not None and not asked <= allowed:
        raise OAuthError("invalid_scope", "the subject token or this client does not have that scope")
    return asked or allowed


def actor_of(subject: AccessToken, actor: AccessToken | None, client: Client) -> Mapping[str, Any] | None:
    """Return the `act` claim of the new token; raise OAuthError when the actor may not act or the chain is too long.

    A client that narrows its own token acts for nobody new.
    """
    acting = actor.subject if actor is not None else client.id
    before = subject.claims.get("act")
    allowed = subject.claims.get("may_act")
    if allowed is not None and acting != allowed.get("sub"):
        raise OAuthError("invalid_request", "the subject token names another party that may act (RFC 8693 4.4)")
    if actor is None and client.id == subject.client_id:
        return before
    found: dict[str, Any] = {"sub": acting} | ({"act": before} if before else {})
    if _depth(found) > MAX_ACTORS:
        raise OAuthError("invalid_request", f"more than {MAX_ACTORS} parties would act one for another (RFC 8693 4.1)")
    return found


def _depth(actor: Mapping[str, Any] | None) -> int:
    depth = 0
    while actor is not None:
        actor, depth = actor.get("act"), depth + 1
    return depth
