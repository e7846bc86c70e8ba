"""Processing folds the two telemetry topics into windows until it is told to stop."""

import asyncio

import structlog
from prometheus_client import Counter

from grid_services.domain.readings import METER_TOPIC, SENSOR_TOPIC
from grid_services.service.bus import Bus
from grid_services.store.window_store import WindowStore
from shared_kernel.data_access import LineageRecorder
from shared_kernel.errors import UnavailableError

BATCH = 5_000
IDLE_S = 30.0
RETRY_S = 1.0
_folded = Counter("gridwarden_grid_services_processed_total", "Messages folded into windows", ["topic"])
_late = Counter("gridwarden_grid_services_late_total", "Messages sent aside as late", ["topic"])
_log = structlog.get_logger()
_FLOWS = {SENSOR_TOPIC: ("sensor_windows", "grid.sensor_data", "grid.sensor_aggregates"),
          METER_TOPIC: ("consumption_windows", "grid.meter_readings", "grid.consumption_aggregates")}


class Processing:
    """Windows with offsets in the same transaction: a killed process repeats nothing and skips nothing."""

    def __init__(self, store: WindowStore, bus: Bus, lineage: LineageRecorder | None = None) -> None:
        self._store = store
        self._bus = bus
        self._lineage = lineage

    async def run(self) -> None:
        """Process both topics until cancelled; an outage is waited out."""
        async with asyncio.TaskGroup() as group:
            for topic in _FLOWS:
                group.create_task(self._follow(topic), name=f"processing {topic}")

    async def step(self, topic: str) -> int:
        """Fold one batch; return how many messages it held."""
        read, tardy = await self._store.fold(topic, BATCH)
        _folded.labels(topic).inc(read)
        _late.labels(topic).inc(tardy)
        if self._lineage is not None and read > tardy:
            job, source, target = _FLOWS[topic]
            await self._lineage.ran(f"grid_services.{job}", inputs=(source,), outputs=(target,))
        return read

    async def _follow(self, topic: str) -> None:
        while True:
            try:
                if not await self.step(topic):
                    await self._bus.wait(topic, await self._store.position(topic), IDLE_S)
            except UnavailableError as error:
                _log.warning("processing_waits", topic=topic, error=str(error))
                await asyncio.sleep(RETRY_S)
