"""Ingestion and processing in a process of their own, to be killed.

    python -m tests.grid_services.telemetry_process URL

waits for a line with the number of the batch to begin with, and prints the number of each batch acknowledged.
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
from tests.frozen_clock import FrozenClock
from tests.grid_services.telemetry_days import (
    END_US,
    meter_readings,
    sensor_readings,
    shuffled_within_the_watermark,
)
from tests.grid_services.telemetry_fakes import KeptRecorder

READINGS, BATCH = 20_000, 10


async def work(url: str) -> None:
    """Ingest batch after batch of both topics and fold beside it."""
    sensors = shuffled_within_the_watermark(sensor_readings(READINGS))
    meters = shuffled_within_the_watermark(meter_readings(READINGS))
    first = int(sys.stdin.readline())
    pool = await open_pool(url, APP, size=4)
    ingestion = Ingestion(IngestStore(pool), KeptRecorder(), FrozenClock(END_US))
    folding = asyncio.create_task(Processing(WindowStore(pool), Bus(BusStore(pool))).run())
    for batch in range(first, READINGS // BATCH):
        part = slice(batch * BATCH, (batch + 1) * BATCH)
        await asyncio.gather(ingestion.take(SENSOR_TOPIC, sensors[part]), ingestion.take(METER_TOPIC, meters[part]))
        print(batch, flush=True)  # noqa: T201 - the acknowledgement
    folding.cancel()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
