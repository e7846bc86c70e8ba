"""The signing keys: for each algorithm next, current and previous, all published; only current signs.

A kid is the key's RFC 7638 thumbprint. Keys are loaded once as key objects: parsing a PEM per call costs more
than the signature. A private key may live elsewhere (Vault): then only its public half is here, and `signer` asks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from joserfc.errors import JoseError

from identity.domain.jose.algorithms import ALGORITHMS, Algorithm, Key, own_algorithm
from identity.domain.jose.private_keys import private_key
from identity.domain.oauth.errors import InvalidTokenError
from shared_kernel.errors import ConflictError, InvalidInputError

ALGORITHM = "ES256"
"""What signs access tokens, and everything nobody chose an algorithm for."""
JWKS_MAX_AGE_S = 900
"""How long clients may cache the key set; a new key is published at least this long before it signs."""
PICKUP_S = 60
"""How soon every process on the same keys has seen a rotation."""
SETTLING_S = JWKS_MAX_AGE_S + PICKUP_S
"""The least time between two rotations: until then somebody may not have seen `next` yet."""
_META = frozenset({"created_at_us"})


class Signer(Protocol):
    """Has the private key, or reaches it."""

    async def sign(self, message: bytes) -> bytes:
        """Return the signature as JWS carries it; raise UnavailableError."""


@dataclass(frozen=True, slots=True)
class LocalSigner:
    """The private key in this process."""

    algorithm: Algorithm
    key: Key

    async def sign(self, message: bytes) -> bytes:
        """Return the signature."""
        return self.algorithm.sign(message, self.key)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair, or the public half of one, with the moment it was made."""

    algorithm: Algorithm
    key: Key
    kid: str
    created_at_us: int
    signer: Signer

    @classmethod
    def generate(cls, now_us: int, algorithm: str = ALGORITHM) -> "SigningKey":
        """Make a new key pair."""
        return cls.of(own_algorithm(algorithm), own_algorithm(algorithm).generate(), now_us)

    @classmethod
    def of(cls, algorithm: Algorithm, key: Key, created_at_us: int, signer: Signer | None = None) -> "SigningKey":
        """Return the signing key of a key object; without a signer the object holds the private half."""
        return cls(algorithm, key, key.thumbprint(), created_at_us, signer or LocalSigner(algorithm, key))

    @classmethod
    def from_jwk(cls, document: Mapping[str, Any], algorithm: str = ALGORITHM) -> "SigningKey":
        """Read what `to_jwk` wrote; raise InvalidInputError for anything but a private key that suits."""
        try:
            chosen = own_algorithm(algorithm)
            members = {name: value for name, value in document.items() if name not in _META}
            return cls.of(chosen, private_key(members, chosen), int(document["created_at_us"]))
        except (InvalidTokenError, KeyError, ValueError, TypeError, AttributeError, JoseError) as cause:
            raise InvalidInputError(f"a signing key is not a private JWK for {algorithm}") from cause

    def to_jwk(self) -> dict[str, Any]:
        """Return the private key with its age, for a place nobody else may read."""
        return {**self.key.as_dict(private=True), "created_at_us": self.created_at_us}

    def to_public_jwk(self) -> dict[str, Any]:
        """Return what everybody may know (RFC 7517)."""
        public = self.key.as_dict(private=False)
        return {**{name: public[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in public},
                "kid": self.kid, "use": "sig", "alg": self.algorithm.name}


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Three generations of keys for one algorithm; `previous` is None before the first rotation.

    `waiting` are published too: keys made by two rotations at once, which come later than `next`.
    """

    next: SigningKey
    current: SigningKey
    previous: SigningKey | None = None
    waiting: tuple[SigningKey, ...] = ()

    @classmethod
    def generate(cls, now_us: int, algorithm: str = ALGORITHM) -> "KeyRing":
        """Make a first ring."""
        return cls(next=SigningKey.generate(now_us, algorithm), current=SigningKey.generate(now_us, algorithm))

    def is_settled(self, now_us: int, settling_s: int = SETTLING_S) -> bool:
        """Whether everybody knows `next`, and nobody needs `previous` any more: `next` was made when it retired."""
        return now_us - self.next.created_at_us >= settling_s * 1_000_000

    def rotated(self, now_us: int, *, settling_s: int = SETTLING_S) -> "KeyRing":
        """Return the ring one generation on; raise ConflictError while clients may not have seen `next` yet."""
        if not self.is_settled(now_us, settling_s):
            raise ConflictError(f"the next key was published less than {settling_s} s ago: rotate later")
        fresh = SigningKey.generate(now_us, self.current.algorithm.name)
        return replace(self, next=fresh, current=self.next, previous=self.current)

    def published(self) -> tuple[SigningKey, ...]:
        """Return every key a token may name."""
        return tuple(key for key in (self.current, self.next, self.previous, *self.waiting) if key is not None)

    def find(self, kid: str) -> SigningKey | None:
        """Return the key of that id."""
        return next((key for key in self.published() if key.kid == kid), None)


class KeyRings:
    """A ring for each algorithm, found by algorithm to sign and by kid to verify. Replaced, never changed."""

    def __init__(self, rings: Mapping[str, KeyRing]) -> None:
        self.rings = {name: rings[name] for name in ALGORITHMS if name in rings}
        self._by_kid = {key.kid: key for ring in self.rings.values() for key in ring.published()}
        self._jwks = {"keys": [key.to_public_jwk() for key in self._by_kid.values()]}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyRings) and self._jwks == other._jwks

    def __hash__(self) -> int:
        return hash(tuple(self._by_kid))

    @classmethod
    def generate(cls, now_us: int, algorithms: Iterable[str] = tuple(ALGORITHMS)) -> "KeyRings":
        """Make first rings."""
        return cls({name: KeyRing.generate(now_us, name) for name in algorithms})

    @property
    def missing(self) -> tuple[str, ...]:
        """The algorithms without a ring yet."""
        return tuple(name for name in ALGORITHMS if name not in self.rings)

    def with_missing(self, now_us: int, wanted: Iterable[str] = tuple(ALGORITHMS)) -> "KeyRings":
        """Return the rings and new ones for those algorithms that have none; this takes a while for RSA."""
        made = {name: KeyRing.generate(now_us, name) for name in wanted if name not in self.rings}
        return KeyRings({**self.rings, **made})

    def rotated(self, now_us: int, algorithms: Iterable[str], *, settling_s: int = SETTLING_S) -> "KeyRings":
        """Return the rings, these algorithms' one generation on; raise ConflictError while one is too young."""
        moved = {name: self.rings[name].rotated(now_us, settling_s=settling_s) for name in algorithms}
        return KeyRings({**self.rings, **moved})

    def find(self, kid: object) -> SigningKey | None:
        """Return the published key of that id."""
        return self._by_kid.get(kid) if isinstance(kid, str) else None

    def to_jwks(self) -> dict[str, list[dict[str, Any]]]:
        """Return the public key set (RFC 7517 section 5)."""
        return self._jwks
