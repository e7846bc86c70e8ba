"""Logout tokens: an end of a session, told to a client behind the browser's back (Back-Channel Logout 1.0 2.4)."""

from typing import Any

LOGOUT_TYPE = "logout+jwt"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LIFETIME_S = 120
"""Section 2.4 recommends at most two minutes; every try signs anew."""


def logout_claims(*, issuer: str, client_id: str, subject: str, session_id: str | None, token_id: str,  # noqa: PLR0913 - the claims
                  now_s: int) -> dict[str, Any]:
    """Return the claims. There is never a nonce: no logout token can pass for an ID token."""
    claims: dict[str, Any] = {
        "iss": issuer, "aud": client_id, "sub": subject, "iat": now_s, "exp": now_s + LIFETIME_S, "jti": token_id,
        "events": {LOGOUT_EVENT: {}},
    }
    return claims if session_id is None else claims | {"sid": session_id}
