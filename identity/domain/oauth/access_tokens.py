"""The claims of access tokens (RFC 9068), written and read."""

from dataclasses import dataclass
from typing import Any

from identity.domain.jose.front import ACCESS_TYPE, check_times
from identity.domain.jose.mint import Mint
from identity.domain.oauth.errors import InvalidTokenError
from identity.domain.oauth.issuance import Issuance
from identity.domain.oauth.parameters import scope_text

_TEXTS = ("sub", "client_id", "jti", "gid", "scope")


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a verified access token says. It proves only what was true when it was issued."""

    subject: str
    client_id: str
    token_id: str
    grant_id: str
    scopes: frozenset[str]
    issued_at_s: int
    expires_at_s: int


def access_claims(issuance: Issuance, mint: Mint) -> dict[str, Any]:
    """Return the claims (RFC 9068 section 2.2)."""
    claims: dict[str, Any] = {
        "iss": mint.issuer, "aud": mint.audience, "sub": issuance.subject, "client_id": issuance.client_id,
        "scope": scope_text(issuance.scopes), "jti": issuance.token_id, "gid": issuance.grant_id,
        "iat": issuance.issued_at_s, "exp": issuance.expires_at_s, "roles": sorted(issuance.roles),
    }
    if issuance.authenticated_at_us is not None:
        claims["auth_time"] = issuance.authenticated_at_us // 1_000_000
    if issuance.session_id is not None:
        claims["sid"] = issuance.session_id
    return claims


def read_access_token(token: str, mint: Mint, now_us: int) -> AccessToken:
    """Return what a valid access token of ours says; raise InvalidTokenError."""
    claims = mint.verified(token, token_type=ACCESS_TYPE)
    check_times(claims, now_us)
    if claims.get("aud") != mint.audience:
        raise InvalidTokenError("it is meant for another audience")
    if not all(isinstance(claims.get(name), str) for name in _TEXTS):
        raise InvalidTokenError("a claim is missing")
    return AccessToken(
        subject=claims["sub"], client_id=claims["client_id"], token_id=claims["jti"], grant_id=claims["gid"],
        scopes=frozenset(claims["scope"].split()), issued_at_s=claims["iat"], expires_at_s=claims["exp"],
    )
