"""The claims of ID tokens (OIDC Core section 2), written, and read back as a hint."""

import hashlib
from dataclasses import dataclass
from typing import Any

from identity.domain.jose.compact import encoded
from identity.domain.jose.front import ID_TYPE
from identity.domain.jose.mint import Mint
from identity.domain.oauth.claims import requested_claims
from identity.domain.oauth.errors import InvalidTokenError
from identity.domain.oauth.issuance import Issuance
from identity.domain.records import Client

_HASHES = {"EdDSA": hashlib.sha512, "Ed25519": hashlib.sha512}
"""The hash of the ID token's algorithm where it is not SHA-256 (OIDC Core 3.1.3.6; Ed25519 hashes by SHA-512)."""


def id_claims(issuance: Issuance, mint: Mint, access_token: str, client: Client) -> dict[str, Any]:
    """Return the claims of an ID token bound to its access token by `at_hash` (OIDC Core 3.1.3.6).

    The audience is the client alone, so `azp` is never due. Our own applications see the account's name at once;
    everybody else asks userinfo, or names claims in the parameter `claims`.
    """
    terms = issuance.terms
    authenticated_at_us = issuance.authenticated_at_us or terms.authenticated_at_us
    claims: dict[str, Any] = {
        "iss": mint.issuer, "aud": issuance.client_id, "sub": issuance.subject, "iat": issuance.issued_at_s,
        "exp": issuance.expires_at_s, "at_hash": at_hash(access_token, client.settings.id_token_signing_alg),
    }
    claims |= _given({
        "auth_time": authenticated_at_us and authenticated_at_us // 1_000_000, "sid": issuance.session_id or terms.sid,
        "acr": terms.acr, "amr": list(terms.amr) or None, "nonce": issuance.nonce,
    })
    if "profile" in issuance.scopes and client.first_party:
        claims |= {"name": issuance.name, "preferred_username": issuance.name}
    if issuance.person is not None:
        claims |= requested_claims(issuance.person, terms.claims, "id_token")
    return claims


def _given(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Hint:
    """What an ID token of ours says when it comes back, expired or not (RP-Initiated Logout section 4)."""

    client_id: str
    subject: str
    session_id: str | None


def read_hint(id_token: str, mint: Mint) -> Hint | None:
    """Return what a hint says, None when it is not an ID token we signed."""
    try:
        claims = mint.verified(id_token, token_type=ID_TYPE)
    except InvalidTokenError:
        return None
    client_id, subject, session_id = (claims.get(name) for name in ("aud", "sub", "sid"))
    if not isinstance(client_id, str) or not isinstance(subject, str):
        return None
    return Hint(client_id, subject, session_id if isinstance(session_id, str) else None)


def at_hash(access_token: str, algorithm: str = "ES256") -> str:
    """Return the left half of the token's hash by the ID token's algorithm, base64url (OIDC Core 3.1.3.6)."""
    digest = _HASHES.get(algorithm, hashlib.sha256)(access_token.encode()).digest()
    return encoded(digest[:len(digest) // 2])
