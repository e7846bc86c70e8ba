"""A ledger in which nothing happens still says so, and is signed anew: an auditor can tell quiet from cut."""

import asyncio
from time import perf_counter

import structlog

from audit_ledger.service import life_signs
from audit_ledger.service.background import Background
from audit_ledger.service.publisher import Publisher
from audit_ledger.service.sequencer import Sequencer
from shared_kernel.clock import Clock
from shared_kernel.errors import UnavailableError

log = structlog.get_logger()


class Heartbeat(Background):
    """Seals `ledger_heartbeat` and publishes, when nothing was sealed for `every_s`."""

    name = "ledger heartbeat"

    def __init__(self, sequencer: Sequencer, publisher: Publisher, clock: Clock, *, every_s: float) -> None:
        self._sequencer, self._publisher, self._clock, self._every_s = sequencer, publisher, clock, every_s

    async def _run(self) -> None:
        while True:
            quiet_s = perf_counter() - self._sequencer.sealed_at
            if quiet_s < self._every_s:
                await asyncio.sleep(self._every_s - quiet_s)
                continue
            try:
                await self._beat()
            except UnavailableError as cause:
                log.warning("heartbeat_not_sealed", reason=cause.detail)
                await asyncio.sleep(self._every_s)

    async def _beat(self) -> None:
        event = life_signs.heartbeat(self._clock, self._sequencer.head.size)
        await self._sequencer.append(*life_signs.payload(event))
        await self._publisher.try_to_publish()
