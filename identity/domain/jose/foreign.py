"""The door for tokens that clients made: client assertions, request objects, DPoP proofs (RFC 8725 throughout).

Steps: 1 size and shape, canonical base64url, strict JSON objects, 2 no header that brings a key, its URL, a critical
extension or an unencoded payload, 3 algorithm on the caller's allow-list, 4 typ on the caller's list, 5 one key of
the client's that suits (never two of one kid), 6 signature, 7 dates are numbers.
Whether the dates are good *now*, and issuer and audience, is for the caller to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from identity.domain.jose.algorithms import CLIENT_ALGORITHMS, FAPI_ALGORITHMS, Algorithm, algorithm_named
from identity.domain.jose.compact import MAX_FOREIGN_BYTES, Claims, CompactJws, taken_apart
from identity.domain.jose.jwk import UnfitKeyError, public_key, thumbprint
from identity.domain.oauth.errors import InvalidTokenError

__all__ = ["CLIENT_ALGORITHMS", "FAPI_ALGORITHMS", "OwnKeyVerified", "Verified", "numeric_date", "peeked", "thumbprint",
           "verified", "verified_by_own_key"]

_REFUSED_HEADERS = frozenset({"jku", "x5u", "x5c", "crit", "b64", "zip", "enc"})
_MAX_KEYS = 100
_MAX_DATE = 1 << 40
_DATES = ("exp", "iat", "nbf", "auth_time")

Types = frozenset[str | None]


@dataclass(frozen=True, slots=True)
class Verified:
    """A client's token: header and claims."""

    header: Claims
    claims: Claims


@dataclass(frozen=True, slots=True)
class OwnKeyVerified:
    """A token that proves possession of the key it carries; `jkt` is that key's thumbprint."""

    header: Claims
    claims: Claims
    jkt: str


def peeked(token: str) -> Verified:
    """Return what a token says, shape checked and nothing VERIFIED: only to find out who claims to speak."""
    parts = _parts(token)
    return Verified(parts.header, parts.claims)


def verified(token: str, jwks: Mapping[str, Any], *, algorithms: frozenset[str], types: Types) -> Verified:
    """Return what a token says that a key of this set signed; raise InvalidTokenError."""
    parts = _parts(token)
    if "jwk" in parts.header:
        raise InvalidTokenError("its header brings a key of its own (jwk)")
    algorithm = _checked(parts.header, algorithms, types)
    key = public_key(_only_key(jwks, algorithm, parts.header.get("kid")), algorithm)
    _check_signature(parts, algorithm, key)
    return Verified(parts.header, parts.claims)


def verified_by_own_key(proof: str, *, algorithms: frozenset[str], types: Types) -> OwnKeyVerified:
    """Return a proof verified by the public key in its header (RFC 9449 section 4.3); raise InvalidTokenError."""
    parts = _parts(proof)
    algorithm = _checked(parts.header, algorithms, types)
    document = parts.header.get("jwk")
    if not isinstance(document, dict):
        raise InvalidTokenError("its header has no key (jwk)")
    key = public_key(document, algorithm)
    _check_signature(parts, algorithm, key)
    return OwnKeyVerified(parts.header, parts.claims, key.thumbprint())


def numeric_date(claims: Mapping[str, Any], name: str) -> int | None:
    """Return a NumericDate in whole seconds, None when absent; raise InvalidTokenError for what is no date."""
    if name not in claims:
        return None
    value = claims[name]
    if type(value) not in {int, float} or not 0 < value < _MAX_DATE:
        raise InvalidTokenError(f"{name} is not a number of seconds")
    return int(value)


def _parts(token: str) -> CompactJws:
    parts = taken_apart(token, max_bytes=MAX_FOREIGN_BYTES)
    found = sorted(_REFUSED_HEADERS & parts.header.keys())
    if found:
        raise InvalidTokenError(f"its header has {found[0]}, which is not taken")
    for name in _DATES:
        numeric_date(parts.claims, name)
    return parts


def _checked(header: Claims, algorithms: frozenset[str], types: Types) -> Algorithm:
    algorithm = algorithm_named(header.get("alg"))
    if algorithm is None or algorithm.name not in algorithms:
        raise InvalidTokenError("its algorithm is not allowed")
    if not _is_type(header.get("typ"), types):
        raise InvalidTokenError("it is a token for another use (typ)")
    return algorithm


def _is_type(value: object, types: Types) -> bool:
    """RFC 7515 section 4.1.9: a media type, in any case, whose `application/` may be left out."""
    if value is None:
        return None in types
    name = value.lower().removeprefix("application/") if isinstance(value, str) else value
    return any(name == wanted.lower() for wanted in types if wanted is not None)


def _only_key(jwks: Mapping[str, Any], algorithm: Algorithm, kid: object) -> Mapping[str, Any]:
    """Return the one key of the set that can be meant; raise InvalidTokenError for none, and for two of them."""
    keys = jwks.get("keys")
    if not isinstance(keys, Sequence) or len(keys) > _MAX_KEYS:
        raise InvalidTokenError("its client has no usable key set")
    meant = [key for key in keys if isinstance(key, Mapping) and (kid is None or key.get("kid") == kid)]
    found = [key for key in meant if _may_verify(key, algorithm)]
    if len(found) != 1 or (kid is not None and len(meant) != 1):
        raise InvalidTokenError("not exactly one key of its client is meant: name it by a kid that is unique")
    return found[0]


def _may_verify(document: Mapping[str, Any], algorithm: Algorithm) -> bool:
    try:
        public_key(document, algorithm)
    except UnfitKeyError:
        return False
    return True


def _check_signature(parts: CompactJws, algorithm: Algorithm, key: Any) -> None:  # noqa: ANN401 - a joserfc key
    if not algorithm.holds(parts.signed, parts.signature, key):
        raise InvalidTokenError("its signature does not verify")
