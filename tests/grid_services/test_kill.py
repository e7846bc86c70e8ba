"""Killed again and again, the data path loses nothing acknowledged, repeats nothing; its windows show no trace."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import numpy as np
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


async def _started(url: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.grid_services.telemetry_process", url, cwd=ROOT, stdin=PIPE, stdout=PIPE)


async def _killed(child: Process, first: int, after_s: float) -> int:
    """Let it work from batch `first` on, kill it `after_s` seconds after its first acknowledgement; return the next."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(f"{first}\n".encode())
    said = await child.stdout.readline()
    await asyncio.sleep(after_s)
    child.kill()
    said += await child.stdout.read()
    await child.wait()
    whole_lines = said[:said.rfind(b"\n") + 1].split()
    return int(whole_lines[-1]) + 1


async def _folded(pool: asyncpg.Pool) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    processing = Processing(WindowStore(pool), Bus(BusStore(pool)))
    for topic in (SENSOR_TOPIC, METER_TOPIC):
        while await processing.step(topic):
            pass
    store = TelemetryStore(pool)
    return (await store.sensor_windows(None, EARLY, FUTURE, 10_000),
            await store.consumption(None, EARLY, FUTURE, 10_000))


async def _undisturbed(pool: asyncpg.Pool, other: asyncpg.Pool) -> None:
    """Copy the topics as they stand into another database, where nothing was folded yet."""
    for topic, table in TABLES.items():
        rows = await pool.fetch(f"SELECT * FROM grid_services.{table.name} ORDER BY bus_offset")  # noqa: S608 - our own names
        await other.copy_records_to_table(
            table.name, schema_name="grid_services", columns=list(rows[0].keys()), records=[tuple(row) for row in rows])
        await other.execute("UPDATE grid_services.topics SET next_offset = $2 WHERE name = $1", topic, len(rows))


@pytest.mark.slow
async def test_twenty_kills_lose_nothing_repeat_nothing_and_leave_no_trace_in_windows(
    make_database: DatabaseMaker,
) -> None:
    url, done = await make_database("grid_services"), 0
    following = await _started(url)
    for moment_s in np.random.default_rng(1).uniform(0, 0.25, KILLS):
        child, following = following, await _started(url)
        done = await _killed(child, done, float(moment_s))
    following.kill()
    await following.wait()
    pool, other = [await open_pool(one, APP, size=3) for one in (url, await make_database("grid_services"))]

    assert KILLS <= done < READINGS // BATCH
    sent: dict[str, Sequence[Reading]] = {
        SENSOR_TOPIC: shuffled_within_the_watermark(sensor_readings(READINGS)),
        METER_TOPIC: shuffled_within_the_watermark(meter_readings(READINGS))}
    for topic, readings in sent.items():
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
