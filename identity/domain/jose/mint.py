"""One issuer's pen: signs what is ours, and reads back only what is ours."""

from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from identity.domain.jose.algorithms import ALGORITHMS
from identity.domain.jose.compact import Claims
from identity.domain.jose.front import sign, verified_claims
from identity.domain.jose.key_ring import ALGORITHM, KeyRing, KeyRings


class Keys(Protocol):
    """Whoever keeps the signing keys."""

    @property
    def rings(self) -> KeyRings:
        """The rings of this moment."""

    async def ring(self, algorithm: str) -> KeyRing:
        """Return the ring of an algorithm, making it at its first use; raise InvalidInputError, UnavailableError."""


@dataclass(frozen=True, slots=True)
class Mint:
    """Signs and reads tokens of one issuer.

    `audience` is our own API, the audience of every access token that names no resource.
    """

    keys: Keys
    issuer: str
    audience: str

    @property
    def algorithms(self) -> tuple[str, ...]:
        """What we sign with, the default first."""
        return tuple(ALGORITHMS)

    async def sign(self, claims: dict[str, Any], *, token_type: str, algorithm: str = ALGORITHM) -> str:
        """Return a compact JWS; raise InvalidInputError for another algorithm, UnavailableError without the key."""
        ring = self.keys.rings.rings.get(algorithm) or await self.keys.ring(algorithm)
        return await sign(ring.current, token_type, orjson.dumps(claims))

    def verified(self, token: str, *, token_type: str) -> Claims:
        """Return the claims of a token we signed for that use, expired or not; raise InvalidTokenError."""
        return verified_claims(token, self.keys.rings, token_type=token_type, issuer=self.issuer)
