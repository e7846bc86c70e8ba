"""One issuer's pen: signs what is ours, and reads back only what is ours."""

from dataclasses import dataclass
from typing import Any

import orjson

from identity.domain.jose.front import Claims, sign, verified_claims
from identity.domain.jose.key_ring import KeyRing


@dataclass(slots=True)
class Mint:
    """Signs and reads tokens of one issuer; the ring is replaced, never changed, when keys rotate.

    `audience` is our own API, the audience of every access token that names no resource.
    """

    ring: KeyRing
    issuer: str
    audience: str

    async def sign(self, claims: dict[str, Any], *, token_type: str) -> str:
        """Return a compact JWS."""
        return sign(self.ring, token_type, orjson.dumps(claims))

    def verified(self, token: str, *, token_type: str) -> Claims:
        """Return the claims of a token we signed for that use, expired or not; raise InvalidTokenError."""
        return verified_claims(token, self.ring, token_type=token_type, issuer=self.issuer)
