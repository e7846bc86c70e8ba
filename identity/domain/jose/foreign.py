"""The door for tokens that clients made: client assertions, request objects, DPoP proofs (RFC 8725 throughout).

Steps: 1 size and shape, canonical base64url, a header of strict JSON, 2 no header that brings a key, its URL, a
critical extension or an unencoded payload, 3 algorithm on the caller's allow-list, 4 typ on the caller's list, 5 one
key of the client's that suits (never two of one kid), 6 signature, 7 claims of strict JSON whose dates are numbers.
A JWE is not taken at all: it has five parts.
Whether the dates are good *now*, and issuer and audience, is for the caller to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from identity.domain.jose.algorithms import CLIENT_ALGORITHMS, FAPI_ALGORITHMS, Algorithm, Key, algorithm_named
from identity.domain.jose.compact import MAX_FOREIGN_BYTES, Claims, CompactJws, taken_apart
from identity.domain.jose.jwk import MAX_KEYS, UnfitKeyError, public_key, thumbprint
from identity.domain.oauth.errors import InvalidTokenError

__all__ = ["CLIENT_ALGORITHMS", "FAPI_ALGORITHMS", "OwnKeyVerified", "Verified", "numeric_date", "peeked", "signed_by",
           "thumbprint", "verified", "verified_by_own_key"]

_REFUSED_HEADERS = frozenset({"jku", "x5u", "x5c", "crit", "b64", "zip", "enc"})
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
    return Verified(parts.header, _claims(parts))


def verified(token: str, jwks: Mapping[str, Any], *, algorithms: frozenset[str], types: Types) -> Verified:
    """Return what a token says that a key of this set signed; raise InvalidTokenError."""
    parts = signed_by(token, jwks, algorithms=algorithms, types=types)
    return Verified(parts.header, _claims(parts))


def signed_by(token: str, jwks: Mapping[str, Any], *, algorithms: frozenset[str], types: Types) -> CompactJws:
    """Return a JWS of any payload that a key of this set signed; raise InvalidTokenError."""
    parts = _parts(token)
    if "jwk" in parts.header:
        raise InvalidTokenError("its header brings a key of its own (jwk)")
    algorithm = _checked(parts.header, algorithms, types)
    _check_signature(parts, algorithm, _only_key(jwks, algorithm, parts.header.get("kid")))
    return parts


def verified_by_own_key(proof: str, *, algorithms: frozenset[str], types: Types) -> OwnKeyVerified:
    """Return a proof verified by the public key in its header (RFC 9449 section 4.3); raise InvalidTokenError."""
    parts = _parts(proof)
    algorithm = _checked(parts.header, algorithms, types)
    document = parts.header.get("jwk")
    if not isinstance(document, dict):
        raise InvalidTokenError("its header has no key (jwk)")
    key = public_key(document, algorithm)
    _check_signature(parts, algorithm, key)
    return OwnKeyVerified(parts.header, _claims(parts), key.thumbprint())


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
    return parts


def _claims(parts: CompactJws) -> Claims:
    claims = parts.claims()
    for name in _DATES:
        numeric_date(claims, name)
    return claims


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


def _only_key(jwks: Mapping[str, Any], algorithm: Algorithm, kid: object) -> Key:
    """Return the one key of the set that can be meant; raise InvalidTokenError for none, and for two of them."""
    keys = jwks.get("keys")
    if not isinstance(keys, Sequence) or len(keys) > MAX_KEYS:
        raise InvalidTokenError("its client has no usable key set")
    meant = [key for key in keys if isinstance(key, Mapping) and (kid is None or key.get("kid") == kid)]
    if kid is not None and len(meant) > 1:
        raise UnfitKeyError("its client has two keys of that kid")
    found = [_fit(key, algorithm) for key in meant]
    return _single([key for key in found if not isinstance(key, UnfitKeyError)], found)


def _fit(document: Mapping[str, Any], algorithm: Algorithm) -> Key | UnfitKeyError:
    try:
        return public_key(document, algorithm)
    except UnfitKeyError as error:
        return error


def _single(fit: list[Key], found: Sequence[Key | UnfitKeyError]) -> Key:
    if len(fit) == 1:
        return fit[0]
    if fit:
        raise UnfitKeyError("several keys of its client could be meant: name one by kid")
    why = next((error for error in found if isinstance(error, UnfitKeyError)), None)
    raise why or UnfitKeyError("its client has no such key")


def _check_signature(parts: CompactJws, algorithm: Algorithm, key: Key) -> None:
    if not algorithm.holds(parts.signed, parts.signature, key):
        raise InvalidTokenError("its signature does not verify")
