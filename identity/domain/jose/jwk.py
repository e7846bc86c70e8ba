"""Keys as JSON (RFC 7517), read strictly: only kinds we verify with, only of safe strength, only for what they allow.

Checked: kty and crv suit the algorithm, `use` is sig, `key_ops` holds verify, `alg` is that algorithm, no private
half, every number in canonical base64url, the point on its curve, an RSA modulus of 2,048 to 8,192 bits.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from joserfc.errors import JoseError

from identity.domain.jose.algorithms import KEY_CLASSES, Algorithm, Key, algorithm_named, is_strong_rsa
from identity.domain.jose.compact import decoded
from identity.domain.oauth.errors import InvalidTokenError

_PUBLIC: Mapping[str, tuple[str, ...]] = {"EC": ("crv", "x", "y"), "RSA": ("n", "e"), "OKP": ("crv", "x")}
MAX_KEYS, MAX_KNOWN = 100, 4_096
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class UnfitKeyError(InvalidTokenError):
    """The key cannot verify this token."""


def public_key(document: Mapping[str, Any], algorithm: Algorithm) -> Key:
    """Return the key object; raise UnfitKeyError for what must not verify a signature of that algorithm."""
    if not _PRIVATE.isdisjoint(document):
        raise UnfitKeyError("its key holds a private half, or is a shared secret")
    if document.get("kty") != algorithm.kty or document.get("crv") != algorithm.crv:
        raise UnfitKeyError("its key is of another kind than its algorithm takes")
    _check_purpose(document, algorithm)
    return _imported(document)


def thumbprint(document: Mapping[str, Any]) -> str:
    """Return the RFC 7638 thumbprint of a public key: SHA-256 over its required members; raise UnfitKeyError."""
    return str(_imported(document).thumbprint())


def _check_purpose(document: Mapping[str, Any], algorithm: Algorithm) -> None:
    if document.get("use", "sig") != "sig":
        raise UnfitKeyError("its key is not for signatures (use)")
    operations = document.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise UnfitKeyError("its key is not for verifying (key_ops)")
    if "alg" in document and algorithm_named(document["alg"]) is not algorithm:
        raise UnfitKeyError("its key is for another algorithm (alg)")


def _imported(document: Mapping[str, Any]) -> Key:
    kty = document.get("kty")
    if not isinstance(kty, str) or kty not in KEY_CLASSES:
        raise UnfitKeyError("its key is of a kind we do not verify with")
    try:
        return _key(kty, tuple(document[name] for name in _PUBLIC[kty]))
    except (KeyError, TypeError, ValueError, AttributeError, JoseError) as cause:
        raise UnfitKeyError("its key is damaged") from cause


@lru_cache(maxsize=MAX_KNOWN)
def _key(kty: str, values: tuple[str, ...]) -> Key:
    """Make the key object, once for each key: a client signs many proofs with one, and making it takes a third."""
    members = dict(zip(_PUBLIC[kty], values, strict=True))
    numbers = {name: int.from_bytes(decoded(value)) for name, value in members.items() if name != "crv"}
    if kty == "RSA" and not is_strong_rsa(numbers["n"], numbers["e"]):
        raise UnfitKeyError("its key is too weak, or too large to be verified with")
    return KEY_CLASSES[kty].import_key({"kty": kty, **members})
