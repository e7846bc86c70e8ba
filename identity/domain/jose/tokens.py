"""The claims of access tokens (RFC 9068) and ID tokens (OIDC Core section 2), written and read."""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass

import orjson

from identity.domain.jose.front import ACCESS_TYPE, ID_TYPE, check_times, sign, verified_claims
from identity.domain.jose.key_ring import KeyRing
from identity.domain.oauth.errors import InvalidTokenError
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


@dataclass(frozen=True, slots=True)
class Issuance:
    """Everything that goes into the tokens of one answer."""

    subject: str
    client_id: str
    grant_id: str
    token_id: str
    scopes: frozenset[str]
    roles: frozenset[str]
    issued_at_s: int
    expires_at_s: int
    name: str | None = None
    session_id: str | None = None
    authenticated_at_us: int | None = None
    nonce: str | None = None


@dataclass(slots=True)
class Mint:
    """Writes and reads tokens of one issuer; the ring is replaced, never changed, when keys rotate."""

    ring: KeyRing
    issuer: str
    audience: str

    def access_token(self, issuance: Issuance) -> str:
        """Return a signed access token (RFC 9068 section 2)."""
        claims = {
            "iss": self.issuer, "aud": self.audience, "sub": issuance.subject, "client_id": issuance.client_id,
            "scope": scope_text(issuance.scopes), "jti": issuance.token_id, "gid": issuance.grant_id,
            "iat": issuance.issued_at_s, "exp": issuance.expires_at_s, "roles": sorted(issuance.roles),
        }
        if issuance.authenticated_at_us is not None:
            claims["auth_time"] = issuance.authenticated_at_us // 1_000_000
        if issuance.session_id is not None:
            claims["sid"] = issuance.session_id
        return sign(self.ring, ACCESS_TYPE, orjson.dumps(claims))

    def id_token(self, issuance: Issuance, access_token: str) -> str:
        """Return a signed ID token bound to its access token by `at_hash` (OIDC Core 3.1.3.6)."""
        claims = {
            "iss": self.issuer, "aud": issuance.client_id, "sub": issuance.subject, "iat": issuance.issued_at_s,
            "exp": issuance.expires_at_s, "sid": issuance.session_id, "amr": ["pwd"],
            "auth_time": (issuance.authenticated_at_us or 0) // 1_000_000, "at_hash": at_hash(access_token),
        }
        if issuance.nonce is not None:
            claims["nonce"] = issuance.nonce
        if "profile" in issuance.scopes:
            claims |= {"name": issuance.name, "preferred_username": issuance.name}
        return sign(self.ring, ID_TYPE, orjson.dumps(claims))

    def read_access_token(self, token: str, now_us: int) -> AccessToken:
        """Return what a valid access token of ours says; raise InvalidTokenError."""
        claims = verified_claims(token, self.ring, token_type=ACCESS_TYPE, issuer=self.issuer)
        check_times(claims, now_us)
        if claims.get("aud") != self.audience:
            raise InvalidTokenError("it is meant for another audience")
        if not all(isinstance(claims.get(name), str) for name in _TEXTS):
            raise InvalidTokenError("a claim is missing")
        return AccessToken(
            subject=claims["sub"], client_id=claims["client_id"], token_id=claims["jti"], grant_id=claims["gid"],
            scopes=frozenset(claims["scope"].split()), issued_at_s=claims["iat"], expires_at_s=claims["exp"],
        )

    def client_of_hint(self, id_token: str) -> str | None:
        """Return the client an ID token was issued to, expired or not (RP-Initiated Logout section 4)."""
        try:
            claims = verified_claims(id_token, self.ring, token_type=ID_TYPE, issuer=self.issuer)
        except InvalidTokenError:
            return None
        audience = claims.get("aud")
        return audience if isinstance(audience, str) else None


def at_hash(access_token: str) -> str:
    """Return the left half of the token's SHA-256, base64url (OIDC Core 3.1.3.6)."""
    return urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()[:16]).rstrip(b"=").decode()
