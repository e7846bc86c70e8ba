"""The keys a client registers: public ones, each told apart, few and small (RFC 7517)."""

from collections.abc import Mapping
from typing import Any

from identity.domain.clients.errors import ClientMetadataError

MAX_KEYS = 20
MAX_MEMBER = 4_096
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_KINDS: Mapping[str, frozenset[str]] = {
    "RSA": frozenset({"n", "e"}), "EC": frozenset({"crv", "x", "y"}), "OKP": frozenset({"crv", "x"})}
_CURVES: Mapping[str, frozenset[str]] = {
    "EC": frozenset({"P-256", "P-384", "P-521"}), "OKP": frozenset({"Ed25519", "X25519"})}
_MIN_MODULUS = 342
"""Base64url characters of 2,048 bits."""


def key_set(value: object) -> Mapping[str, Any]:
    """Return a JSON Web Key Set of public keys; raise ClientMetadataError."""
    keys = value.get("keys") if isinstance(value, Mapping) else None
    if not isinstance(keys, list) or not 0 < len(keys) <= MAX_KEYS:
        raise ClientMetadataError("jwks", f"must be an object whose `keys` are 1 to {MAX_KEYS} keys")
    for key in keys:
        _check(key)
    kids = [key["kid"] for key in keys if "kid" in key]
    if len(set(kids)) != len(kids):
        raise ClientMetadataError("jwks", "holds two keys of one kid")
    return {"keys": [dict(key) for key in keys]}


def _check(key: object) -> None:
    if not isinstance(key, Mapping) or not isinstance(key.get("kty"), str) or key["kty"] not in _KINDS:
        raise ClientMetadataError("jwks", f"may hold keys of the types {', '.join(sorted(_KINDS))} only")
    if _PRIVATE & key.keys():
        raise ClientMetadataError("jwks", "holds private key material: send public keys only, and replace this one")
    kind = key["kty"]
    needed = _KINDS[kind]
    if not all(isinstance(key.get(name), str) and 0 < len(key[name]) <= MAX_MEMBER for name in needed):
        raise ClientMetadataError("jwks", f"holds a key of type {kind} without {', '.join(sorted(needed))}")
    if kind in _CURVES and key["crv"] not in _CURVES[kind]:
        raise ClientMetadataError("jwks", f"holds a key on a curve other than {', '.join(sorted(_CURVES[kind]))}")
    if kind == "RSA" and len(key["n"]) < _MIN_MODULUS:
        raise ClientMetadataError("jwks", "holds an RSA key of less than 2048 bits")
    if not all(isinstance(key.get(name, ""), str) for name in ("kid", "use", "alg")):
        raise ClientMetadataError("jwks", "holds a key whose kid, use or alg is not a string")
