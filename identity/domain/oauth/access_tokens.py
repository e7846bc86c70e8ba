"""The claims of access tokens (RFC 9068), written and read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from identity.domain.jose.front import ACCESS_TYPE, check_times
from identity.domain.jose.mint import Mint
from identity.domain.oauth.binding import Binding
from identity.domain.oauth.errors import InvalidTokenError
from identity.domain.oauth.issuance import Issuance
from identity.domain.oauth.parameters import scope_text

_TEXTS = ("sub", "client_id", "jti", "gid", "scope")
_SECOND_US = 1_000_000

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a verified access token says. It proves only what was true when it was issued.

    Who presents it must prove the key it is bound to (`cnf`, RFC 9449 section 6, RFC 8705 section 3.1).
    """

    subject: str
    client_id: str
    token_id: str
    grant_id: str
    scopes: frozenset[str]
    issued_at_s: int
    expires_at_s: int
    audiences: tuple[str, ...]
    binding: Binding
    claims: Claims


def access_claims(issuance: Issuance, mint: Mint) -> dict[str, Any]:
    """Return the claims (RFC 9068 section 2.2); without a resource the audience is our own API."""
    terms = issuance.terms
    audiences = terms.resources or (mint.audience,)
    claims: dict[str, Any] = {
        "iss": mint.issuer, "aud": audiences[0] if len(audiences) == 1 else list(audiences), "sub": issuance.subject,
        "client_id": issuance.client_id, "scope": scope_text(issuance.scopes), "jti": issuance.token_id,
        "gid": issuance.grant_id, "iat": issuance.issued_at_s, "exp": issuance.expires_at_s,
        "roles": sorted(issuance.roles),
    }
    if issuance.authenticated_at_us is not None:
        claims["auth_time"] = issuance.authenticated_at_us // _SECOND_US
    optional = {
        "sid": issuance.session_id, "acr": terms.acr, "amr": list(terms.amr), "act": terms.actor,
        "may_act": issuance.may_act, "authorization_details": list(terms.authorization_details),
        "cnf": Binding.of(terms).confirmation,
    }
    return claims | {name: value for name, value in optional.items() if value}


def read_access_token(token: str, mint: Mint, now_us: int) -> AccessToken:
    """Return what a valid access token for our own API says; raise InvalidTokenError."""
    access = issued_access_token(token, mint, now_us)
    if mint.audience not in access.audiences:
        raise InvalidTokenError("it is meant for another audience")
    return access


def issued_access_token(token: str, mint: Mint, now_us: int) -> AccessToken:
    """Return what a valid access token of ours says, whatever resource it is for; raise InvalidTokenError."""
    claims = mint.verified(token, token_type=ACCESS_TYPE)
    check_times(claims, now_us)
    if not all(isinstance(claims.get(name), str) for name in _TEXTS):
        raise InvalidTokenError("a claim is missing")
    bound = claims.get("cnf") or {}
    return AccessToken(
        subject=claims["sub"], client_id=claims["client_id"], token_id=claims["jti"], grant_id=claims["gid"],
        scopes=frozenset(claims["scope"].split()), issued_at_s=claims["iat"], expires_at_s=claims["exp"],
        audiences=_audiences(claims.get("aud")), binding=Binding(bound.get("jkt"), bound.get("x5t#S256")),
        claims=claims)


def _audiences(audience: object) -> tuple[str, ...]:
    found = audience if isinstance(audience, list) else [audience]
    if not found or not all(isinstance(each, str) for each in found):
        raise InvalidTokenError("aud is missing")
    return tuple(found)
