"""DPoP proofs (RFC 9449 section 4.3): who holds the key, for this one request.

1 to 7, a JWT of the right type, algorithm, public key and signature, are the front's (`jose.foreign`). Here are
8 method, 9 target, 10 nonce, 11 time and one use, 12 the token. A proof with our nonce was made when the nonce was
valid, whatever its clock says; without one `iat` tells the time.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from identity.domain.jose.compact import encoded
from identity.domain.jose.foreign import FAPI_ALGORITHMS, numeric_date, peeked, verified_by_own_key
from identity.domain.oauth.errors import InvalidProofError, InvalidTokenError, NonceDueError
from identity.domain.oauth.nonces import NONCE_LIFE_US, Nonces
from identity.domain.oauth.target_uris import is_same_target

PROOF_TYPES: frozenset[str | None] = frozenset({"dpop+jwt"})
MAX_AGE_S = 60
MAX_AHEAD_S = 30
"""FAPI 2.0 Security Profile section 5.3.2.1: 10 s of a fast clock are taken, more than 60 s are not."""
MAX_JTI = 512
_SECOND_US = 1_000_000

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """The request a proof must have been made for; `url` without a query, `access_token` at a resource."""

    method: str
    url: str
    now_us: int
    is_nonce_due: bool = False
    access_token: str | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that holds: the key's thumbprint, and under which digest and until when it must not be seen again."""

    jkt: str
    digest: bytes
    expires_at_us: int


def only_proof(proofs: tuple[str, ...]) -> str:
    """Return the one proof of a request; raise InvalidProofError for several (RFC 9449 section 4.3, item 1)."""
    if len(proofs) != 1:
        raise InvalidProofError("send exactly one DPoP header field")
    return proofs[0]


def check_nonce(proofs: tuple[str, ...], nonces: Nonces, *, now_us: int, is_due: bool) -> None:
    """Raise NonceDueError for a proof that needs another nonce; nothing is verified, so nothing is used up."""
    try:
        nonce = peeked(only_proof(proofs)).claims.get("nonce")
    except InvalidTokenError as cause:
        raise InvalidProofError(cause.reason) from cause
    if (is_due or nonce is not None) and not nonces.is_fresh(nonce, now_us):
        raise NonceDueError(nonces.now(now_us))


def verified_proof(text: str, asked: Asked, nonces: Nonces) -> Proof:
    """Return what a proof proves; raise InvalidProofError or NonceDueError."""
    try:
        own = verified_by_own_key(text, algorithms=FAPI_ALGORITHMS, types=PROOF_TYPES)
        jti = _jti(own.claims)
        for check in _CHECKS:
            check(own.claims, asked)
        expires_at_us = _remembered_until(own.claims, asked, nonces)
    except InvalidTokenError as cause:
        raise InvalidProofError(cause.reason) from cause
    digest = hashlib.sha256(f"{own.jkt}.{jti}".encode("utf-8", "surrogatepass")).digest()
    return Proof(own.jkt, digest, expires_at_us)


def token_hash(access_token: str) -> str:
    """Return `ath`: base64url of SHA-256 of the token (RFC 9449 section 4.2)."""
    return encoded(hashlib.sha256(access_token.encode()).digest())


def _jti(claims: Claims) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        raise InvalidProofError(f"jti must be a text of 1 to {MAX_JTI} characters")
    return jti


def _check_method(claims: Claims, asked: Asked) -> None:
    if claims.get("htm") != asked.method:
        raise InvalidProofError(f"htm must be {asked.method}")


def _check_target(claims: Claims, asked: Asked) -> None:
    if not is_same_target(claims.get("htu"), asked.url):
        raise InvalidProofError("htu is not the URL that was called")


def _check_token(claims: Claims, asked: Asked) -> None:
    if asked.access_token is not None and claims.get("ath") != token_hash(asked.access_token):
        raise InvalidProofError("ath is not the hash of the access token")


def _check_dates(claims: Claims, asked: Asked) -> None:
    """Proofs need no exp and nbf; those that have them mean them (RFC 7519 section 4.1)."""
    now_s = asked.now_us // _SECOND_US
    exp, nbf = numeric_date(claims, "exp"), numeric_date(claims, "nbf")
    if exp is not None and exp <= now_s:
        raise InvalidProofError("it has expired (exp)")
    if nbf is not None and nbf > now_s + MAX_AHEAD_S:
        raise InvalidProofError("it is not valid yet (nbf)")


_CHECKS: tuple[Callable[[Claims, Asked], None], ...] = (_check_method, _check_target, _check_token, _check_dates)


def _remembered_until(claims: Claims, asked: Asked, nonces: Nonces) -> int:
    """Check when the proof was made (item 11); return when it would be refused for its age anyway."""
    made_at_s, nonce = numeric_date(claims, "iat"), claims.get("nonce")
    if made_at_s is None:
        raise InvalidProofError("iat is missing")
    if nonce is not None or asked.is_nonce_due:
        if not nonces.is_fresh(nonce, asked.now_us):
            raise NonceDueError(nonces.now(asked.now_us))
        return asked.now_us + NONCE_LIFE_US
    if not -MAX_AGE_S <= made_at_s - asked.now_us // _SECOND_US <= MAX_AHEAD_S:
        raise InvalidProofError("iat is not the time now")
    return (made_at_s + MAX_AGE_S + 1) * _SECOND_US
