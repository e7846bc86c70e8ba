"""Who asks, told to a service in a signed sentence: a JWT of our identity keys, for that service and request alone.

Typ `gridwarden-assertion+jwt` (RFC 8725 section 3.11: no other token passes for it, nor it for another); the audience
is the service; it lives as long as the request may, and names its method and path. Verified with our published keys.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext
from shared_kernel.ids import uuid7

TOKEN_TYPE = "gridwarden-assertion+jwt"  # noqa: S105 - a media type
SKEW_S = 5
_SECOND_US = 1_000_000


class Pen(Protocol):
    """Signs in the issuer's name (identity)."""

    async def sign(self, claims: dict[str, Any], *, token_type: str) -> str:
        """Return a compact JWS; raise UnavailableError without the key."""


def audience_of(service: str) -> str:
    """Return the audience of a service that names none."""
    return f"urn:gridwarden:service:{service}"


class Assertions:
    """Makes assertions for one service."""

    def __init__(self, pen: Pen, clock: Clock, *, issuer: str, audience: str) -> None:
        self._pen, self._clock, self._issuer, self._audience = pen, clock, issuer, audience

    async def about(self, context: RequestContext, *, method: str, path: str, lifetime_s: float) -> str:
        """Return the assertion for a request; raise UnavailableError when it cannot be signed."""
        now_s = self._clock.now_us() // _SECOND_US
        claims = {
            "iss": self._issuer, "aud": self._audience, "iat": now_s, "nbf": now_s - SKEW_S,
            "exp": now_s + int(lifetime_s) + SKEW_S, "jti": uuid7(), **_subject(context),
            "request_id": context.request_id, "htm": method, "path": path, "revision": context.revision,
            "obligations": {name: dict(demanded) for name, demanded in context.obligations.items()},
        }
        return await self._pen.sign(
            {name: value for name, value in claims.items() if value is not None}, token_type=TOKEN_TYPE)


def _subject(context: RequestContext) -> Mapping[str, Any]:
    principal = context.principal
    return {
        "sub": principal.subject, "name": principal.name, "kind": principal.kind.value,
        "roles": sorted(principal.roles), "scope": " ".join(sorted(principal.scopes)),
        "client_id": principal.client_id, "acr": principal.acr, "amr": list(principal.amr),
        "purpose": context.purpose, "risk": context.risk,
    }
