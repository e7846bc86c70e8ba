"""The one door for tokens that we signed: strict before the library sees a byte (RFC 8725).

Steps: 1 size and shape, 2 canonical base64url, 3 header with nothing but alg, typ and kid, 4 typ of the expected use,
5 kid in our rings, 6 algorithm of that very key, 7 signature, 8 claims are a JSON object, 9 issuer and times.
An algorithm, a key or a URL of a key is never taken from the token.
"""

from functools import lru_cache

import orjson

from identity.domain.jose.compact import Claims, encoded, taken_apart
from identity.domain.jose.key_ring import KeyRings, SigningKey
from identity.domain.oauth.errors import InvalidTokenError

ACCESS_TYPE = "at+jwt"
ID_TYPE = "JWT"
LEEWAY_S = 5
_HEADER_NAMES = frozenset({"alg", "typ", "kid"})
_MAX_DATE = 1 << 40


async def sign(key: SigningKey, token_type: str, payload: bytes) -> str:
    """Return a compact JWS by that key; raise UnavailableError when the key is elsewhere and cannot be reached."""
    signed = f"{_header(key.algorithm.name, token_type, key.kid)}.{encoded(payload)}"
    return f"{signed}.{encoded(await key.signer.sign(signed.encode()))}"


@lru_cache(64)
def _header(algorithm: str, token_type: str, kid: str) -> str:
    """Return a header encoded: there are few, and each stands on thousands of tokens."""
    return encoded(orjson.dumps({"alg": algorithm, "typ": token_type, "kid": kid}))


def verified_claims(token: str, rings: KeyRings, *, token_type: str, issuer: str) -> Claims:
    """Return the claims of a token we signed for that use; raise InvalidTokenError. Expiry is `check_times`."""
    parts = taken_apart(token)
    key = _key_for(parts.header, rings, token_type)
    if not key.algorithm.holds(parts.signed, parts.signature, key.key):
        raise InvalidTokenError("its signature does not verify")
    claims = parts.claims()
    if claims.get("iss") != issuer:
        raise InvalidTokenError("it has another issuer")
    return claims


def check_times(claims: Claims, now_us: int) -> None:
    """Raise InvalidTokenError unless exp, iat (and nbf if there) are whole seconds around now (RFC 7519 section 2)."""
    now_s = now_us // 1_000_000
    if _date(claims, "exp") <= now_s:
        raise InvalidTokenError("it has expired")
    if _date(claims, "iat") > now_s + LEEWAY_S:
        raise InvalidTokenError("it was issued in the future")
    if "nbf" in claims and _date(claims, "nbf") > now_s + LEEWAY_S:
        raise InvalidTokenError("it is not valid yet")


def _date(claims: Claims, name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or not 0 < value < _MAX_DATE:
        raise InvalidTokenError(f"{name} is not a whole number of seconds")
    return value


def _key_for(header: Claims, rings: KeyRings, token_type: str) -> SigningKey:
    if header.keys() != _HEADER_NAMES:
        raise InvalidTokenError("its header must hold alg, typ and kid and nothing else")
    if header["typ"] != token_type:
        raise InvalidTokenError("it is a token for another use")
    key = rings.find(header["kid"])
    if key is None:
        raise InvalidTokenError("its key is not one of ours")
    if header["alg"] != key.algorithm.name:
        raise InvalidTokenError("its algorithm is not its key's")
    return key
