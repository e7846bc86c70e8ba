"""Processes on one database tell each other what they charged to buckets that run low, five times a second.

Between two exchanges a caller that spreads its requests over n processes can take up to n bursts' halves more; after
one, every process knows the whole. Whoever never runs low costs nothing.
"""

import asyncio

import structlog

from policy_engine.domain.limits.buckets import OwnBuckets
from policy_engine.store.rate_limits import SharedLimits
from shared_kernel.clock import Clock
from shared_kernel.errors import UnavailableError

EVERY_S = 0.2
_PRUNE_EVERY = 300
_log = structlog.get_logger()


class Exchange:
    """Keeps this process's buckets in step with the others'."""

    def __init__(self, buckets: OwnBuckets, shared: SharedLimits, clock: Clock) -> None:
        self._buckets, self._shared, self._clock = buckets, shared, clock

    async def run(self) -> None:
        """Exchange until cancelled; a database that is away leaves every process with its own count."""
        rounds = 0
        while True:
            await asyncio.sleep(EVERY_S)
            rounds += 1
            try:
                await self.once()
                if rounds % _PRUNE_EVERY == 0:
                    await self._shared.prune()
            except UnavailableError as error:
                _log.warning("rate_limits_not_shared", reason=error.detail)

    async def once(self) -> None:
        """Tell what was charged and learn what everybody charged."""
        spent = self._buckets.take_spent()
        if spent:
            for key, backlog_us in (await self._shared.add(spent)).items():
                self._buckets.learn(key, backlog_us, self._clock.now_us())
