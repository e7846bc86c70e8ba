"""The claims of ID tokens (OIDC Core section 2), written, and read back as a hint."""

import hashlib
from base64 import urlsafe_b64encode
from typing import Any

from identity.domain.jose.front import ID_TYPE
from identity.domain.jose.mint import Mint
from identity.domain.oauth.errors import InvalidTokenError
from identity.domain.oauth.issuance import Issuance


def id_claims(issuance: Issuance, mint: Mint, access_token: str) -> dict[str, Any]:
    """Return the claims of an ID token bound to its access token by `at_hash` (OIDC Core 3.1.3.6)."""
    claims: dict[str, Any] = {
        "iss": mint.issuer, "aud": issuance.client_id, "sub": issuance.subject, "iat": issuance.issued_at_s,
        "exp": issuance.expires_at_s, "sid": issuance.session_id, "amr": ["pwd"],
        "auth_time": (issuance.authenticated_at_us or 0) // 1_000_000, "at_hash": at_hash(access_token),
    }
    if issuance.nonce is not None:
        claims["nonce"] = issuance.nonce
    if "profile" in issuance.scopes:
        claims |= {"name": issuance.name, "preferred_username": issuance.name}
    return claims


def client_of_hint(id_token: str, mint: Mint) -> str | None:
    """Return the client an ID token was issued to, expired or not (RP-Initiated Logout section 4)."""
    try:
        claims = mint.verified(id_token, token_type=ID_TYPE)
    except InvalidTokenError:
        return None
    audience = claims.get("aud")
    return audience if isinstance(audience, str) else None


def at_hash(access_token: str) -> str:
    """Return the left half of the token's SHA-256, base64url (OIDC Core 3.1.3.6)."""
    return urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()[:16]).rstrip(b"=").decode()
