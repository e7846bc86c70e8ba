"""The signing keys: next, current and previous, all published; only current signs.

A kid is the key's RFC 7638 thumbprint. Keys are loaded once as key objects: parsing a PEM per call costs more
than the signature.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from shared_kernel.errors import ConflictError, InvalidInputError

ALGORITHM = "ES256"
JWKS_MAX_AGE_S = 900
"""How long clients may cache the key set; a new key is published at least this long before it signs."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A P-256 key pair with the moment it was made."""

    key: ECKey
    kid: str
    created_at_us: int

    @classmethod
    def generate(cls, now_us: int) -> "SigningKey":
        """Make a new key pair."""
        return cls._of(ECKey.generate_key("P-256"), now_us)

    @classmethod
    def from_jwk(cls, document: Mapping[str, Any]) -> "SigningKey":
        """Read what `to_jwk` wrote; raise InvalidInputError for anything but a private P-256 key."""
        try:
            key = ECKey.import_key({name: document[name] for name in ("kty", "crv", "x", "y", "d")})
            if document["crv"] != "P-256":
                raise InvalidInputError("a signing key is not on the curve P-256")
            return cls._of(key, int(document["created_at_us"]))
        except (KeyError, ValueError, TypeError, JoseError) as cause:
            raise InvalidInputError("a signing key is not a private P-256 JWK") from cause

    @classmethod
    def _of(cls, key: ECKey, created_at_us: int) -> "SigningKey":
        return cls(key, key.thumbprint(), created_at_us)

    def to_jwk(self) -> dict[str, Any]:
        """Return the private key with its age, for a file nobody else may read."""
        return {**self.key.as_dict(private=True), "created_at_us": self.created_at_us}

    def to_public_jwk(self) -> dict[str, str]:
        """Return what everybody may know (RFC 7517)."""
        public = self.key.as_dict(private=False)
        return {"kty": "EC", "crv": "P-256", "x": str(public["x"]), "y": str(public["y"]),
                "kid": self.kid, "use": "sig", "alg": ALGORITHM}


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Three generations of keys; `previous` is None before the first rotation."""

    next: SigningKey
    current: SigningKey
    previous: SigningKey | None = None

    @classmethod
    def generate(cls, now_us: int) -> "KeyRing":
        """Make a first ring."""
        return cls(next=SigningKey.generate(now_us), current=SigningKey.generate(now_us))

    def rotated(self, now_us: int) -> "KeyRing":
        """Return the ring one generation on; raise ConflictError while clients may not have seen `next` yet."""
        if now_us - self.next.created_at_us < JWKS_MAX_AGE_S * 1_000_000:
            raise ConflictError(f"the next key was published less than {JWKS_MAX_AGE_S} s ago: rotate later")
        return replace(self, next=SigningKey.generate(now_us), current=self.next, previous=self.current)

    def published(self) -> tuple[SigningKey, ...]:
        """Return every key a token may name."""
        return tuple(key for key in (self.current, self.next, self.previous) if key is not None)

    def find(self, kid: str) -> SigningKey | None:
        """Return the key of that id."""
        return next((key for key in self.published() if key.kid == kid), None)

    def to_jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public key set (RFC 7517 section 5)."""
        return {"keys": [key.to_public_jwk() for key in self.published()]}
