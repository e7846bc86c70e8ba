"""Ingestion and processing in a process of their own, to be killed: acknowledged batches are printed, one number a line.

    python -m tests.grid_services.telemetry_process URL FIRST_BATCH
"""

import asyncio
import sys

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from grid_services.domain.readings import METER_TOPIC, SENSOR_TOPIC
from grid_services.service import Bus, Ingestion, Processing
from grid_services.store.bus_store import BusStore
from grid_services.store.ingest_store import IngestStore
from grid_services.store.window_store import WindowStore
from tests.conftest import START_US
from tests.frozen_clock import FrozenClock
from tests.grid_services.telemetry_days import (
    meter_readings,
    sensor_readings,
    shuffled_within_the_watermark,
)
from tests.grid_services.telemetry_fakes import KeptRecorder

READINGS, BATCH = 40_000, 20


async def work(url: str, first: int) -> None:
    """Ingest batch after batch of both topics, from batch `first` on, and fold beside it."""
    pool = await open_pool(url, APP, size=4)
    bus, clock = Bus(BusStore(pool)), FrozenClock(START_US)
    ingestion = Ingestion(IngestStore(pool), KeptRecorder(), clock)
    folding = asyncio.create_task(Processing(WindowStore(pool), bus).run())
    sensors, meters = (shuffled_within_the_watermark(made(READINGS)) for made in (sensor_readings, meter_readings))
    for batch in range(first, READINGS // BATCH):
        part = slice(batch * BATCH, (batch + 1) * BATCH)
        await asyncio.gather(ingestion.take(SENSOR_TOPIC, sensors[part]), ingestion.take(METER_TOPIC, meters[part]))
        print(batch, flush=True)
    folding.cancel()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], int(sys.argv[2])))
