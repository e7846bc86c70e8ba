"""Processing on a real database: what it stores is what Polars computes, in whatever order telemetry came."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import numpy as np
import polars as pl
import pytest

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from grid_services.domain.readings import METER_TOPIC, SENSOR_TOPIC, Reading
from grid_services.service import Analytics, Bus, Ingestion, Processing
from grid_services.store.bus_store import BusStore
from grid_services.store.household_sums import HouseholdSums
from grid_services.store.ingest_store import IngestStore
from grid_services.store.telemetry_store import TelemetryStore
from grid_services.store.window_store import WindowStore
from shared_kernel.errors import UnavailableError
from tests.conftest import DatabaseMaker
from tests.frozen_clock import FrozenClock
from tests.grid_services.load_fakes import KeptLineage
from tests.grid_services.telemetry_days import (
    EARLY,
    FUTURE,
    meter_readings,
    sensor_readings,
    shuffled_within_the_watermark,
)
from tests.grid_services.telemetry_fakes import KeptRecorder
from tests.grid_services.telemetry_figures import meter_figures, sensor_figures

Windows = tuple[list[dict[str, Any]], list[dict[str, Any]]]


class Plane:
    """The data path on one pool."""

    def __init__(self, pool: asyncpg.Pool, clock: FrozenClock) -> None:
        """Wire it."""
        self.bus = Bus(BusStore(pool))
        self.ingestion = Ingestion(IngestStore(pool), KeptRecorder(), clock)
        self.processing = Processing(WindowStore(pool), self.bus, KeptLineage())
        self.analytics = Analytics(TelemetryStore(pool), HouseholdSums(pool))

    async def take(self, topic: str, readings: Sequence[Reading], batches: int) -> None:
        """Ingest in so many batches, folding after each."""
        for part in np.array_split(np.arange(len(readings)), batches):
            await self.ingestion.take(topic, [readings[place] for place in part])
            await self.processing.step(topic)

    async def windows(self) -> Windows:
        """Return all windows of both kinds."""
        return (await self.analytics.sensor_windows(None, EARLY, FUTURE, 100_000),
                await self.analytics.consumption(None, EARLY, FUTURE, 100_000))


@pytest.fixture
def make_plane(make_database: DatabaseMaker, clock: FrozenClock) -> Callable[[], Awaitable[Plane]]:
    async def make() -> Plane:
        return Plane(await open_pool(await make_database("grid_services"), APP, size=4), clock)

    return make


@pytest.fixture
def plane(app_pool: asyncpg.Pool, clock: FrozenClock) -> Plane:
    return Plane(app_pool, clock)


def _comparable(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[tuple[str, datetime], list[Any]]:
    return {(row[names[0]], row["window_start"]): [row[name] for name in names[1:]] for row in rows}


async def test_stored_windows_are_those_polars_computes(plane: Plane) -> None:
    sensors, meters = sensor_readings(4_000), meter_readings(3_000)

    await plane.take(SENSOR_TOPIC, [*shuffled_within_the_watermark(sensors), *sensors[:500]], 9)
    await plane.take(METER_TOPIC, [*shuffled_within_the_watermark(meters), *meters[:500]], 7)

    sensor_rows, meter_rows = await plane.windows()
    expected = _comparable(sensor_figures(sensors), ("sensor_id", "count", "avg", "min", "max", "stddev"))
    found = _comparable(sensor_rows, ("sensor_id", "count", "avg", "min", "max", "stddev"))
    assert found.keys() == expected.keys()
    assert all(found[key] == pytest.approx(expected[key], rel=1e-9, abs=1e-9) for key in expected)
    assert _comparable(meter_rows, ("meter_id", "count", "total_kwh")) == _comparable(
        meter_figures(meters), ("meter_id", "count", "total_kwh"))


async def test_statistics_of_a_sensor_are_those_polars_computes(plane: Plane) -> None:
    readings = sensor_readings(3_000)
    await plane.take(SENSOR_TOPIC, [*readings[::-1], *readings], 3)
    frame = pl.DataFrame({"id": [one.sensor_id for one in readings], "value": [one.value for one in readings]})

    for sensor_id in ("S-0", "S-7"):
        (row,) = await plane.analytics.statistics(sensor_id, EARLY, FUTURE)
        values = frame.filter(pl.col("id") == sensor_id).get_column("value")
        assert row["count"] == len(values)
        assert [row[name] for name in ("avg", "min", "max", "stddev")] == pytest.approx(
            [values.mean(), values.min(), values.max(), values.std()], rel=1e-9)


async def test_order_repetition_and_batches_within_the_watermark_change_no_window(
    make_plane: Callable[[], Awaitable[Plane]],
) -> None:
    sensors, meters = sensor_readings(2_000), meter_readings(1_000)
    orderly, wild = await make_plane(), await make_plane()

    await orderly.take(SENSOR_TOPIC, sensors, 1)
    await orderly.take(METER_TOPIC, meters, 1)
    await wild.take(SENSOR_TOPIC, [*shuffled_within_the_watermark(sensors), *sensors], 23)
    await wild.take(METER_TOPIC, [*shuffled_within_the_watermark(meters), *meters], 11)

    assert await wild.windows() == await orderly.windows()
    assert await wild.bus.read("smartgrid-dlq", 0, 10) == []


async def test_the_watermark_makes_windows_final_and_late_readings_change_none(plane: Plane) -> None:
    readings = sensor_readings(2_000)
    newest = max(one.observed_at_us for one in readings)
    await plane.take(SENSOR_TOPIC, readings[1:], 4)
    before, _ = await plane.windows()

    await plane.take(SENSOR_TOPIC, readings[:1], 1)

    after, _ = await plane.windows()
    assert after == before
    assert {row["is_final"] for row in before if row["window_end"].timestamp() * 1e6 <= newest - 600_000_000} == {True}
    assert {row["is_final"] for row in before if row["window_end"].timestamp() * 1e6 > newest - 600_000_000} == {False}
    (letter,) = await plane.bus.read("smartgrid-dlq", 0, 10)
    assert (letter.body["reason"], letter.body["event_id"]) == ("late", readings[0].event_id)
    (row,) = await plane.analytics.statistics(readings[0].sensor_id, EARLY, FUTURE)
    assert row["count"] == sum(one.sensor_id == readings[0].sensor_id for one in readings)


class FailingLineage(KeptLineage):
    """Fails while `down`."""

    down = True

    async def ran(
        self, job: str, *, inputs: Sequence[str], outputs: Sequence[str],
        columns: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Keep the run, or fail as a house whose database is gone."""
        if self.down:
            raise UnavailableError("the catalog does not answer")
        await super().ran(job, inputs=inputs, outputs=outputs, columns=columns)


async def test_lineage_that_fails_holds_nothing_up_and_is_told_later(app_pool: asyncpg.Pool, plane: Plane) -> None:
    lineage = FailingLineage()
    processing = Processing(WindowStore(app_pool), plane.bus, lineage)
    await plane.ingestion.take(SENSOR_TOPIC, sensor_readings(10))

    assert await processing.step(SENSOR_TOPIC) == 10
    lineage.down = False
    after_a_restart = Processing(WindowStore(app_pool), plane.bus, lineage)
    assert [await after_a_restart.step(SENSOR_TOPIC) for _ in range(2)] == [0, 0]

    assert lineage.runs == [(
        "grid_services.sensor_windows", ("grid.sensor_data",), ("grid.sensor_aggregates",))]


async def test_a_batch_of_late_readings_leaves_no_lineage(app_pool: asyncpg.Pool, plane: Plane) -> None:
    readings = sensor_readings(2_000)
    await plane.take(SENSOR_TOPIC, readings[1:], 1)
    lineage = KeptLineage()

    await plane.ingestion.take(SENSOR_TOPIC, readings[:1])
    assert await Processing(WindowStore(app_pool), plane.bus, lineage).step(SENSOR_TOPIC) == 1

    assert lineage.runs == []
