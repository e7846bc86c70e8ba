"""The provider's signing keys at work: the rings of this moment, completed, looked up again and rotated on schedule."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from identity.domain.jose.algorithms import own_algorithm
from identity.domain.jose.key_ring import KeyRing, KeyRings
from shared_kernel.clock import Clock


class KeySource(Protocol):
    """Where the keys are kept: files or Vault."""

    def form_key(self) -> bytes:
        """Return the key that seals forms."""

    def known(self, now_us: int) -> KeyRings:
        """Return what is there at once, at least the ring of the default algorithm."""

    async def load(self, now_us: int) -> KeyRings:
        """Return every ring as it is now, making what is missing; raise UnavailableError."""

    async def rotate(self, now_us: int, *, settling_s: int = ..., algorithms: Iterable[str] = ...) -> KeyRings:
        """Move rings on by one generation; raise ConflictError while it is too early, UnavailableError."""


class Keychain:
    """Holds the rings; they are replaced whole, so a reader never sees half a rotation."""

    def __init__(self, source: KeySource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self.rings = source.known(clock.now_us())
        self._completing = asyncio.Lock()

    async def complete(self) -> KeyRings:
        """Return the rings, every algorithm's: made in a thread at the very first start."""
        if self.rings.missing:
            async with self._completing:
                if self.rings.missing:
                    self.rings = await self._source.load(self._clock.now_us())
        return self.rings

    async def ring(self, algorithm: str) -> KeyRing:
        """Return the ring of an algorithm; raise InvalidInputError for one we do not sign with."""
        own_algorithm(algorithm)
        return (await self.complete()).rings[algorithm]

    async def rotate(self) -> None:
        """Move every ring on; raise ConflictError while clients may not know the next keys yet."""
        self.rings = await self._source.rotate(self._clock.now_us())
