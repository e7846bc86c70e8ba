"""Killed again and again, the data path loses nothing it acknowledged, repeats nothing, and its windows do not show it."""

import asyncio
import sys
from pathlib import Path
from random import Random

import asyncpg
import pytest

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from grid_services.domain.readings import METER_TOPIC, SENSOR_TOPIC, Reading
from grid_services.service import Bus, Processing
from grid_services.store.bus_store import BusStore
from grid_services.store.telemetry_store import TelemetryStore
from grid_services.store.topic_tables import TABLES
from grid_services.store.window_store import WindowStore
from tests.conftest import DatabaseMaker
from tests.grid_services.telemetry_days import (
    EARLY,
    FUTURE,
    meter_readings,
    sensor_readings,
    shuffled_within_the_watermark,
)
from tests.grid_services.telemetry_process import BATCH, READINGS

KILLS = 20
ROOT = Path(__file__).parents[2]


async def _killed(url: str, first: int, after_s: float) -> int:
    """Start the process, kill it `after_s` seconds after its first acknowledgement; return the batches acknowledged."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.grid_services.telemetry_process", url, str(first), cwd=ROOT,
        stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    said = await child.stdout.readline()
    await asyncio.sleep(after_s)
    child.kill()
    said += await child.stdout.read()
    await child.wait()
    whole_lines = said[:said.rfind(b"\n") + 1].split()
    return int(whole_lines[-1]) + 1 if whole_lines else first


async def _folded(pool: asyncpg.Pool) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    processing = Processing(WindowStore(pool), Bus(BusStore(pool)))
    for topic in (SENSOR_TOPIC, METER_TOPIC):
        while await processing.step(topic):
            pass
    store = TelemetryStore(pool)
    return (await store.sensor_windows(None, EARLY, FUTURE, 10_000), await store.consumption(None, EARLY, FUTURE, 10_000))


async def _undisturbed(pool: asyncpg.Pool, other: asyncpg.Pool) -> None:
    """Copy the topics as they stand into another database, where nothing was folded yet."""
    for topic, table in TABLES.items():
        rows = await pool.fetch(f"SELECT * FROM grid_services.{table.name} ORDER BY bus_offset")
        await other.copy_records_to_table(
            table.name, schema_name="grid_services", columns=list(rows[0].keys()), records=[tuple(row) for row in rows])
        await other.execute("UPDATE grid_services.topics SET next_offset = $2 WHERE name = $1", topic, len(rows))


@pytest.mark.slow
async def test_twenty_kills_lose_nothing_repeat_nothing_and_leave_no_trace_in_windows(
    make_database: DatabaseMaker,
) -> None:
    url, chance, done = await make_database("grid_services"), Random(1), 0
    for _ in range(KILLS):
        done = await _killed(url, done, chance.uniform(0, 0.25))
    pool, other = [await open_pool(one, APP, size=3) for one in (url, await make_database("grid_services"))]

    assert KILLS <= done < READINGS // BATCH
    for topic, made in ((SENSOR_TOPIC, sensor_readings), (METER_TOPIC, meter_readings)):
        readings: list[Reading] = list(shuffled_within_the_watermark(made(READINGS)))  # type: ignore[operator]
        acknowledged = {one.event_id for one in readings[:done * BATCH]}
        messages = await Bus(BusStore(pool)).read(topic, 0, 10 * READINGS)
        ids = [one.body["event_id"] for one in messages]
        assert acknowledged <= set(ids)
        assert len(ids) == len(set(ids))
        assert [one.offset for one in messages] == list(range(len(ids)))
    await _undisturbed(pool, other)
    assert await _folded(pool) == await _folded(other)
    for one in (pool, other):
        await one.close()
