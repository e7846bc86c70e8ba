"""The one door for signed tokens: strict before the library sees a byte (RFC 8725).

Steps: 1 size and shape, 2 canonical base64url, 3 header with nothing but alg, typ and kid, 4 algorithm allow-list,
5 typ of the expected use, 6 kid in the ring, 7 signature, 8 claims are a JSON object, 9 issuer and times.
An algorithm, a key or a URL of a key is never taken from the token.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from joserfc import jws
from joserfc.jws import JWSRegistry

from identity.domain.jose.key_ring import ALGORITHM, KeyRing, SigningKey
from identity.domain.oauth.errors import InvalidTokenError
from shared_kernel.errors import InvalidInputError
from shared_kernel.strict_json import parse_strict

MAX_TOKEN_BYTES = 8_192
ACCESS_TYPE = "at+jwt"
ID_TYPE = "JWT"
LEEWAY_S = 5
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})", re.ASCII)
_HEADER_NAMES = frozenset({"alg", "typ", "kid"})
_MAX_DATE = 1 << 40
_SIGNATURE_BYTES = 64
_ES256 = JWSRegistry.algorithms[ALGORITHM]

Claims = dict[str, Any]


def sign(ring: KeyRing, token_type: str, payload: bytes) -> str:
    """Return a compact JWS by the current key."""
    header = {"alg": ALGORITHM, "typ": token_type, "kid": ring.current.kid}
    return jws.serialize_compact(header, payload, ring.current.key, algorithms=[ALGORITHM])


def verified_claims(token: str, ring: KeyRing, *, token_type: str, issuer: str) -> Claims:
    """Return the claims of a token we signed for that use; raise InvalidTokenError. Expiry is `check_times`."""
    if len(token) > MAX_TOKEN_BYTES:
        raise InvalidTokenError(f"it is longer than {MAX_TOKEN_BYTES} bytes")
    shape = _SHAPE.fullmatch(token)
    if shape is None:
        raise InvalidTokenError("it is not a compact JWS with an ES256 signature")
    header, payload, signature = (_decoded(part) for part in shape.groups())
    key = _key_for(_object(header, "header"), ring, token_type)
    if not signature_holds(key, token[:shape.end(2)].encode(), signature):
        raise InvalidTokenError("its signature does not verify")
    claims = _object(payload, "payload")
    if claims.get("iss") != issuer:
        raise InvalidTokenError("it has another issuer")
    return claims


def signature_holds(key: SigningKey, signed: bytes, signature: bytes) -> bool:
    """Whether the key signed these bytes: ECDSA P-256 with SHA-256, r and s side by side (RFC 7518 section 3.4)."""
    return len(signature) == _SIGNATURE_BYTES and bool(_ES256.verify(signed, signature, key.key))


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


def _key_for(header: Claims, ring: KeyRing, token_type: str) -> SigningKey:
    if header.keys() != _HEADER_NAMES:
        raise InvalidTokenError("its header must hold alg, typ and kid and nothing else")
    if header["alg"] != ALGORITHM:
        raise InvalidTokenError("its algorithm is not allowed")
    if header["typ"] != token_type:
        raise InvalidTokenError("it is a token for another use")
    kid = header["kid"]
    key = ring.find(kid) if isinstance(kid, str) else None
    if key is None:
        raise InvalidTokenError("its key is not one of ours")
    return key


def _decoded(part: str) -> bytes:
    try:
        found = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as cause:
        raise InvalidTokenError("it is not base64url") from cause
    if urlsafe_b64encode(found).rstrip(b"=") != part.encode():
        raise InvalidTokenError("its base64url is not canonical")
    return found


def _object(text: bytes, name: str) -> Claims:
    try:
        found = parse_strict(text)
    except InvalidInputError as cause:
        raise InvalidTokenError(f"its {name} is not strict JSON") from cause
    if not isinstance(found, dict):
        raise InvalidTokenError(f"its {name} is not a JSON object")
    return found
