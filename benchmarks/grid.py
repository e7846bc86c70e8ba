"""Telemetry: readings made durable, in batches and one by one, and events folded into windows on one core."""

import asyncio
import time

import numpy as np

from benchmarks.metric import Metric
from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from grid_services.domain.readings import SENSOR_TOPIC, SensorReading
from grid_services.domain.windows import sensor_windows
from grid_services.service import Ingestion
from grid_services.store.ingest_store import IngestStore
from shared_kernel.clock import SystemClock
from shared_kernel.events import Event, Receipt

SAMPLES, BATCH, SINGLES, CALLERS, EVENTS = 5, 20_000, 1_024, 64, 1_000_000


class _Forgetful:
    """A recorder that keeps nothing: sealing is the group `ledger`."""

    async def record(self, event: Event) -> Receipt:
        """Take one event."""
        return Receipt(len(event), b"")


def _readings(name: str, count: int) -> list[SensorReading]:
    now_us = SystemClock().now_us()
    return [SensorReading(f"{name}-{n}", f"S-{n % 100}", "voltage", 230.0, "V", now_us, "simulated")
            for n in range(count)]


async def measure(url: str) -> list[Metric]:
    """Return the group's figures."""
    pool = await open_pool(url, APP, size=4)
    ingestion = Ingestion(IngestStore(pool), _Forgetful(), SystemClock())
    batches, singles = [], []
    for sample in range(SAMPLES):
        readings = _readings(f"b{sample}", BATCH)
        started = time.perf_counter()
        await ingestion.take(SENSOR_TOPIC, readings)
        batches.append(BATCH / (time.perf_counter() - started))
        singles.append(await _singles_per_s(ingestion, _readings(f"s{sample}", SINGLES)))
    await pool.close()
    return [
        Metric("grid.ingest_batch.rows_per_s", "rows/s", tuple(batches), ">= 100000"),
        Metric("grid.ingest_single.per_s", "/s", tuple(singles)),
        Metric("grid.windows.events_per_core_s", "events/s", tuple(_windows_per_s() for _ in range(SAMPLES)),
               ">= 1000000"),
    ]


async def _singles_per_s(ingestion: Ingestion, readings: list[SensorReading]) -> float:
    async def caller(part: list[SensorReading]) -> None:
        for one in part:
            await ingestion.take_one(SENSOR_TOPIC, one)

    started = time.perf_counter()
    await asyncio.gather(*(caller(readings[n::CALLERS]) for n in range(CALLERS)))
    return len(readings) / (time.perf_counter() - started)


def _windows_per_s() -> float:
    chance = np.random.default_rng(1)
    columns = [chance.integers(0, most, EVENTS) for most in (1_000, 3_600_000_000, 10_000_000_000)]
    started = time.process_time()
    sensor_windows(*columns)
    return EVENTS / (time.process_time() - started)
