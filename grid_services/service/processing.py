"""Processing folds the two telemetry topics into windows until it is told to stop."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from prometheus_client import Counter

from grid_services.domain.readings import METER_TOPIC, SENSOR_TOPIC
from grid_services.service.bus import Bus
from grid_services.store.window_store import WindowStore
from shared_kernel.data_access import LineageRecorder
from shared_kernel.errors import UnavailableError

BATCH = 20_000
IDLE_S = 30.0
RETRY_S = 1.0
_folded = Counter("gridwarden_grid_services_processed_total", "Messages folded into windows", ["topic"])
_late = Counter("gridwarden_grid_services_late_total", "Messages sent aside as late", ["topic"])
_untold = Counter("gridwarden_grid_services_lineage_failures_total", "Runs lineage did not take at once", ["topic"])
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Flow:
    """What lineage is told of a topic's job."""

    job: str
    source: str
    target: str
    columns: Mapping[str, tuple[str, ...]]

    async def tell(self, lineage: LineageRecorder) -> None:
        """Tell of a run that wrote windows."""
        await lineage.ran(f"grid_services.{self.job}", inputs=(self.source,), outputs=(self.target,), columns={
            f"{self.target}.{column}": tuple(f"{self.source}.{one}" for one in sources)
            for column, sources in self.columns.items()})


_PLACED = {"window_start": ("timestamp",), "window_end": ("timestamp",), "is_final": ("timestamp",),
           "count": ("event_id",), "provenance": ("provenance",)}
_FLOWS = {
    SENSOR_TOPIC: _Flow(
        "sensor_windows", "grid.sensor_data", "grid.sensor_aggregates",
        {"sensor_id": ("sensor_id",), "sensor_type": ("sensor_type",), **_PLACED,
         **dict.fromkeys(("avg", "min", "max", "stddev"), ("value",))}),
    METER_TOPIC: _Flow(
        "consumption_windows", "grid.meter_readings", "grid.consumption_aggregates",
        {"meter_id": ("meter_id",), **_PLACED, "total_kwh": ("reading_kwh", "timestamp")}),
}


class Processing:
    """Windows with offsets in the same transaction: a killed process repeats nothing and skips nothing.

    Lineage hears of a run after its commit, and again until it has answered: what it has not heard of is remembered
    beside the offset, so that neither a kill nor an outage of lineage loses an edge.
    """

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
        folded = await self._store.fold(topic, BATCH)
        _folded.labels(topic).inc(folded.read)
        _late.labels(topic).inc(folded.late)
        if folded.untold and self._lineage is not None:
            await self._tell(topic, self._lineage)
        return folded.read

    async def _tell(self, topic: str, lineage: LineageRecorder) -> None:
        try:
            await _FLOWS[topic].tell(lineage)
        except Exception as error:  # noqa: BLE001 - whatever lineage's trouble is, windows go on and it is told later
            _untold.labels(topic).inc()
            _log.warning("lineage_waits", topic=topic, error=str(error))
        else:
            await self._store.told(topic)

    async def _follow(self, topic: str) -> None:
        while True:
            try:
                if not await self.step(topic):
                    await self._bus.wait(topic, await self._store.position(topic), IDLE_S)
            except UnavailableError as error:
                _log.warning("processing_waits", topic=topic, error=str(error))
                await asyncio.sleep(RETRY_S)
