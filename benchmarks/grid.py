"""Telemetry: bodies read, readings made durable in batches and one by one, and folded into windows.

The batch's peer is a bare binary COPY of the same rows, in the same run, into a table without an index.
"""

import asyncio
import time
from datetime import UTC, datetime
from operator import attrgetter
from statistics import median

import asyncpg
import numpy as np
import orjson

from benchmarks.metric import Metric
from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from grid_services.domain.readings import SENSOR_TOPIC, SensorReading
from grid_services.domain.windows import sensor_windows
from grid_services.http.reading_bodies import items_of
from grid_services.service import Bus, Ingestion, Processing
from grid_services.store.bus_store import BusStore
from grid_services.store.ingest_store import IngestStore
from grid_services.store.topic_tables import TABLES
from grid_services.store.window_store import WindowStore
from shared_kernel.clock import SystemClock, to_iso
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
    pool, owner = await open_pool(url, APP, size=4), await asyncpg.connect(url)
    await owner.execute("CREATE TABLE bare (LIKE grid_services.sensor_data INCLUDING DEFAULTS)")
    ingestion = Ingestion(IngestStore(pool), _Forgetful(), SystemClock())
    parsed, batches, bare, singles = [], [], [], []
    for sample in range(SAMPLES):
        readings = _readings(f"b{sample}", BATCH)
        parsed.append(_parsed_per_s(readings))
        bare.append(await _copied_per_s(owner, readings))
        started = time.perf_counter()
        await ingestion.take(SENSOR_TOPIC, readings)
        batches.append(BATCH / (time.perf_counter() - started))
        singles.append(await _singles_per_s(ingestion, _readings(f"s{sample}", SINGLES)))
    folded = await _folded_per_s(pool)
    await owner.close()
    await pool.close()
    return [
        Metric("grid.ingest_parse.rows_per_s", "rows/s", tuple(parsed), ">= 400000"),
        Metric("grid.ingest_batch.rows_per_s", "rows/s", tuple(batches), ">= 100000",
               f"bare COPY of the same rows {median(bare):,.0f}"),
        Metric("grid.ingest_single.per_s", "/s", tuple(singles), ">= 5000"),
        Metric("grid.windows.events_per_core_s", "events/s", tuple(_windows_per_s() for _ in range(SAMPLES)),
               ">= 1000000"),
        Metric("grid.processing.events_per_s", "events/s", tuple(folded)),
    ]


def _parsed_per_s(readings: list[SensorReading]) -> float:
    """Read a JSON array to readings that break no rule, on one core."""
    body = orjson.dumps([{
        "event_id": one.event_id, "sensor_id": one.sensor_id, "type": one.sensor_type, "value": one.value,
        "unit": one.unit, "observed_at": to_iso(one.observed_at_us), "provenance": one.provenance,
    } for one in readings])
    now_us, started = SystemClock().now_us(), time.process_time()
    found = items_of(SENSOR_TOPIC, body, lines=False)
    assert isinstance(found, list)
    assert not any(one.flaw(now_us) for one in found)
    return len(found) / (time.process_time() - started)


async def _copied_per_s(owner: asyncpg.Connection, readings: list[SensorReading]) -> float:
    table, at = TABLES[SENSOR_TOPIC], datetime.now(UTC)
    row = attrgetter(*table.fields)
    records = [(*row(one), at, place) for place, one in enumerate(readings)]
    started = time.perf_counter()
    await owner.copy_records_to_table("bare", columns=(*table.fields, "observed_at", "bus_offset"), records=records)
    return len(records) / (time.perf_counter() - started)


async def _folded_per_s(pool: asyncpg.Pool) -> list[float]:
    """Fold what was ingested, from the database into windows in the database."""
    processing = Processing(WindowStore(pool), Bus(BusStore(pool)))
    rates: list[float] = []
    while True:
        started = time.perf_counter()
        count = await processing.step(SENSOR_TOPIC)
        if not count:
            return rates
        rates.append(count / (time.perf_counter() - started))


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
