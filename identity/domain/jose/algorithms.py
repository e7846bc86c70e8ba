"""The signature algorithms we know (RFC 7518 section 3.1, RFC 8037, RFC 9864), each with the kind of key it takes.

`EdDSA` and `Ed25519` are two names of one algorithm; `EdDSA` is the one we write.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from shared_kernel.errors import InvalidInputError

Key: TypeAlias = ECKey | RSAKey | OKPKey

FAPI_ALGORITHMS = frozenset({"PS256", "ES256", "EdDSA"})
"""FAPI 2.0 Security Profile 5.4.1."""
CLIENT_ALGORITHMS = FAPI_ALGORITHMS | {"RS256"}
RSA_BITS = 2_048
"""What we generate: a signature of 3,072 bits costs three times as much, and a key lives for months."""
MIN_RSA_BITS, MAX_RSA_BITS = 2_048, 8_192
MIN_RSA_EXPONENT, MAX_RSA_EXPONENT = 65_537, 1 << 256
"""NIST SP 800-56B section 6.2: odd, above 2^16, below 2^256. Above 8,192 bits a verification is a way to tire us."""


_ROCA_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
                107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167)
_ROCA = tuple((prime, frozenset(pow(65_537, power, prime) for power in range(prime))) for prime in _ROCA_PRIMES)


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A name with the kind of key it takes; `crv` None means RSA."""

    name: str
    kty: str
    crv: str | None = None

    def generate(self) -> Key:
        """Make a new key pair."""
        if self.kty == "EC":
            return ECKey.generate_key("P-256")
        if self.kty == "OKP":
            return OKPKey.generate_key("Ed25519")
        return RSAKey.generate_key(RSA_BITS)

    def sign(self, message: bytes, key: Key) -> bytes:
        """Return the signature as JWS carries it (ECDSA: r and s side by side, RFC 7518 section 3.4)."""
        return JWSRegistry.algorithms[self.name].sign(message, key)

    def holds(self, message: bytes, signature: bytes, key: Key) -> bool:
        """Whether the key signed these bytes."""
        return bool(JWSRegistry.algorithms[self.name].verify(message, signature, key))

    def suits(self, key: Key) -> bool:
        """Whether the key is of the kind and the strength this algorithm demands."""
        if isinstance(key, RSAKey):
            numbers = key.public_key.public_numbers()
            return self.kty == "RSA" and is_strong_rsa(numbers.n, numbers.e)
        return key.key_type == self.kty and key.curve_name == self.crv


KEY_CLASSES: Mapping[str, type[ECKey] | type[RSAKey] | type[OKPKey]] = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}

ALGORITHMS: Mapping[str, Algorithm] = {
    "ES256": Algorithm("ES256", "EC", "P-256"),
    "RS256": Algorithm("RS256", "RSA"),
    "PS256": Algorithm("PS256", "RSA"),
    "EdDSA": Algorithm("EdDSA", "OKP", "Ed25519"),
}
_OTHER_NAMES = {"Ed25519": "EdDSA"}


def algorithm_named(name: object) -> Algorithm | None:
    """Return the algorithm of that name or of its other name."""
    return ALGORITHMS.get(_OTHER_NAMES.get(name, name)) if isinstance(name, str) else None


def own_algorithm(name: str) -> Algorithm:
    """Return the algorithm; raise InvalidInputError for one we do not sign with."""
    found = ALGORITHMS.get(name)
    if found is None:
        raise InvalidInputError(f"{name[:20]!r} is not among the algorithms {sorted(ALGORITHMS)}")
    return found


def is_strong_rsa(modulus: int, exponent: int) -> bool:
    """Whether modulus and exponent are of a size that is safe, and cheap enough to verify."""
    return (MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS
            and MIN_RSA_EXPONENT <= exponent < MAX_RSA_EXPONENT and exponent % 2 == 1 and not is_roca(modulus))


def is_roca(modulus: int) -> bool:
    """Whether a faulty chip made it (CVE-2017-15361): then it is a power of 65537 modulo every small prime."""
    return all(modulus % prime in powers for prime, powers in _ROCA)
