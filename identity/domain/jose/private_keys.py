"""Our own private keys, read back: proven by a signature rather than by arithmetic.

Proving that an RSA key's numbers are primes takes 37 ms a key, at every start; a signature that the public half
verifies shows in 0.3 ms that the file is whole, and its origin is ours (RFC 8725 concerns keys of others).
"""

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers, RSAPublicNumbers
from joserfc.jwk import ECKey, OKPKey, RSAKey

from identity.domain.jose.algorithms import Algorithm, Key
from identity.domain.jose.compact import decoded
from shared_kernel.errors import InvalidInputError

_PROBE = b"gridwarden"
_PUBLIC = frozenset({"x", "y", "n", "e", "crv"})


def private_key(members: Mapping[str, Any], algorithm: Algorithm) -> Key:
    """Return the key object of a private JWK; raise InvalidInputError, or what the library raises for damage."""
    if (members.get("kty"), members.get("crv")) != (algorithm.kty, algorithm.crv):
        raise InvalidInputError(f"a signing key is not of the kind {algorithm.name} takes")
    key = _rsa(members) if algorithm.kty == "RSA" else _elliptic(members, algorithm.kty)
    if not key.is_private or not algorithm.suits(key):
        raise InvalidInputError(f"a signing key is not a private key for {algorithm.name}")
    is_ours = all(members.get(name) == value for name, value in key.as_dict(private=False).items() if name in _PUBLIC)
    if not is_ours or not algorithm.holds(_PROBE, algorithm.sign(_PROBE, key), key):
        raise InvalidInputError(f"a signing key for {algorithm.name} does not fit its public half")
    return key


def _rsa(members: Mapping[str, Any]) -> Key:
    n, e, d, p, q, dp, dq, qi = (_number(members[name]) for name in ("n", "e", "d", "p", "q", "dp", "dq", "qi"))
    numbers = RSAPrivateNumbers(p, q, d, dp, dq, qi, RSAPublicNumbers(e, n))
    return RSAKey.import_key(numbers.private_key(unsafe_skip_rsa_key_validation=True))


def _elliptic(members: Mapping[str, Any], kty: str) -> Key:
    """Return the key; its public half is computed from the private one, so that the two can be compared."""
    if kty == "EC":
        return ECKey.import_key(ec.derive_private_key(_number(members["d"]), ec.SECP256R1()))
    return OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(decoded(members["d"])))


def _number(text: str) -> int:
    return int.from_bytes(decoded(text))
