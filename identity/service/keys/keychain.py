"""The provider's signing keys at work: the rings of this moment, completed, looked up again and rotated on schedule.

A rotation, ours, another process's or an operator's, is sealed before its keys sign here. While the place of the keys
is away the last good rings go on, and an alarm tells.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog
from prometheus_client import Counter, Gauge

from identity.domain.jose.algorithms import own_algorithm
from identity.domain.jose.key_ring import JWKS_MAX_AGE_S, PICKUP_S, SETTLING_S, KeyRing, KeyRings
from identity.service.journal import Journal
from shared_kernel.clock import Clock
from shared_kernel.errors import ConflictError, GridwardenError, UnavailableError

LOOK_S = PICKUP_S / 2
DAY_US = 86_400 * 1_000_000

_log = structlog.get_logger()
_rotations = Counter("gridwarden_identity_key_rotations_total", "Rotations of signing keys that were taken up",
                     ["algorithm"])
_age = Gauge("gridwarden_identity_signing_key_age_seconds", "Age of the signing key in use", ["algorithm"])
_is_away = Gauge("gridwarden_identity_key_source_away", "1 while the signing keys' place does not answer")


class RotationNotSealedError(UnavailableError):
    """The ledger did not take the rotation; the keys of before go on."""

    def __init__(self) -> None:
        super().__init__("the rotation of the signing keys could not be sealed: the keys of before go on, try again")


class KeySource(Protocol):
    """Where the keys are kept: files or Vault."""

    def form_key(self) -> bytes:
        """Return the key that seals forms."""

    def known(self, now_us: int) -> KeyRings:
        """Return what is there at once, at least the ring of the default algorithm."""

    async def load(self, now_us: int) -> KeyRings:
        """Return every ring as it is now, making what is missing; raise UnavailableError."""

    async def rotate(self, now_us: int, *, algorithms: Iterable[str], settling_s: int = SETTLING_S) -> KeyRings:
        """Move rings on by one generation; raise ConflictError while it is too early, UnavailableError."""


class Keychain:
    """Holds the rings; they are replaced whole, so a reader never sees half a rotation.

    A ring rotates when its newest key is `rotation_days` old; no token may live longer than `longest_token_s`.
    """

    def __init__(self, source: KeySource, clock: Clock, journal: Journal, *, rotation_days: int = 90,
                 longest_token_s: int = 600) -> None:
        self._source, self._clock, self._journal = source, clock, journal
        self._rotation_us = rotation_days * DAY_US
        self._settling_s = max(JWKS_MAX_AGE_S, longest_token_s) + PICKUP_S
        self._busy = asyncio.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._is_lost = False
        self.rings = source.known(clock.now_us())

    def when_changed(self, listener: Callable[[], None]) -> None:
        """Call it whenever a key stopped or began to count."""
        self._listeners.append(listener)

    async def complete(self) -> KeyRings:
        """Return the rings, every algorithm's: slow keys are made, in a thread, at the very first start."""
        if self.rings.missing:
            async with self._busy:
                if self.rings.missing:
                    await self._take_up(await self._source.load(self._clock.now_us()))
        return self.rings

    async def ring(self, algorithm: str) -> KeyRing:
        """Return the ring of an algorithm; raise InvalidInputError for one we do not sign with."""
        own_algorithm(algorithm)
        return (await self.complete()).rings[algorithm]

    async def rotate(self) -> None:
        """Move every ring on; raise ConflictError while somebody may not know the next keys yet."""
        async with self._busy:
            await self._rotate(tuple(self.rings.rings))

    async def keep(self) -> None:
        """Look for ever: the background work that keeps the keys fresh."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Take up what others did to the keys, and rotate what is due; the last good keys go on when it fails."""
        try:
            async with self._busy:
                await self._take_up(await self._source.load(self._clock.now_us()))
                due = self._due()
                if due:
                    await self._rotate(due)
        except ConflictError:  # somebody else has just rotated: the next look finds it
            return
        except RotationNotSealedError as error:
            _log.error("rotation_not_sealed", why=error.detail)
        except GridwardenError as error:
            await self._lose(error)
        else:
            await self._find()

    def _due(self) -> tuple[str, ...]:
        now_us = self._clock.now_us()
        for name, ring in self.rings.rings.items():
            _age.labels(name).set((now_us - ring.current.created_at_us) / 1_000_000)
        return tuple(name for name, ring in self.rings.rings.items()
                     if now_us - ring.next.created_at_us >= self._rotation_us)

    async def _rotate(self, algorithms: tuple[str, ...]) -> None:
        await self._take_up(await self._source.rotate(
            self._clock.now_us(), algorithms=algorithms, settling_s=self._settling_s))

    async def _take_up(self, rings: KeyRings) -> None:
        """Use these rings from now on; raise UnavailableError when a rotation cannot be sealed, the old ones stay."""
        if rings == self.rings:
            return
        turned = [name for name, ring in rings.rings.items()
                  if name in self.rings.rings and self.rings.rings[name].current.kid != ring.current.kid]
        if turned:
            await self._seal_rotation({name: rings.rings[name].current.kid for name in turned})
        self.rings = rings
        for name in turned:
            _rotations.labels(name).inc()
        for listener in self._listeners:
            listener()

    async def _seal_rotation(self, kids: dict[str, str]) -> None:
        try:
            await self._journal.seal("keys_rotated", user=_SELF, grid={"keys": kids})
        except UnavailableError as cause:
            raise RotationNotSealedError from cause

    async def _lose(self, error: GridwardenError) -> None:
        _log.error("signing_keys_away", why=error.detail, remedy="the last good keys go on until it answers")
        _is_away.set(1)
        if not self._is_lost:
            self._is_lost = True
            await self._tell("key_source_lost", outcome="failure")

    async def _find(self) -> None:
        _is_away.set(0)
        if self._is_lost:
            self._is_lost = False
            await self._tell("key_source_found", outcome="success")

    async def _tell(self, action: str, *, outcome: str) -> None:
        try:
            await self._journal.seal(action, user=_SELF, outcome=outcome)
        except UnavailableError as error:
            _log.error("key_alarm_not_sealed", action=action, why=error.detail)


_SELF = {"id": "gridwarden", "name": "gridwarden"}
