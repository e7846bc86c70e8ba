"""Nobody is found in a sum: not below the floor, not by difference, not while a window is open. And filters narrow."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from grid_services.http import load_endpoints, telemetry_endpoints
from grid_services.http.guarded import GUARDED
from grid_services.store.household_sums import HouseholdSums
from grid_services.store.telemetry_store import TelemetryStore
from shared_kernel.obligations import AggregateFloor, RowFilter

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIVE_HOURLY, FIVE_DAILY = AggregateFloor(5, "hour"), AggregateFloor(5, "day")
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
WEST = RowFilter("meter_id", starts_with=("W-",))


@pytest.fixture
def sums(app_pool: asyncpg.Pool) -> HouseholdSums:
    return HouseholdSums(app_pool)


async def _used(pool: asyncpg.Pool, meters: list[str], start: datetime = NOON, *, is_open: bool = False,
                provenance: str = "simulated") -> None:
    table = "consumption_aggregates_realtime" if is_open else "consumption_aggregates"
    await pool.executemany(
        f"INSERT INTO grid_services.{table} VALUES ($1, $2, $3, $4, 2, 0, 1000000, 1, 2500000)",  # noqa: S608 - ours
        [(meter, provenance, start, start + HOUR) for meter in meters])


def _meters(side: str, count: int) -> list[str]:
    return [f"{side}-{n:02}" for n in range(count)]


async def test_a_sum_is_over_as_many_households_as_the_floor_says(app_pool: asyncpg.Pool, sums: HouseholdSums) -> None:
    await _used(app_pool, _meters("W", 5))

    found = await sums.consumption(FIVE_HOURLY, FIRST, LAST, 10, only=None)

    assert found == [{"window_start": NOON, "window_end": NOON + HOUR, "total_kwh": "7.5", "households": 5,
                      "provenance": "simulated", "is_final": True}]


async def test_a_household_too_few_is_no_sum(app_pool: asyncpg.Pool, sums: HouseholdSums) -> None:
    await _used(app_pool, _meters("W", 4))

    assert await sums.consumption(FIVE_HOURLY, FIRST, LAST, 10, only=None) == []


async def test_simulated_households_do_not_hide_measured_ones(app_pool: asyncpg.Pool, sums: HouseholdSums) -> None:
    await _used(app_pool, _meters("W", 4), provenance="measured")
    await _used(app_pool, _meters("W", 5))

    found = await sums.consumption(FIVE_HOURLY, FIRST, LAST, 10, only=None)

    assert [row["provenance"] for row in found] == ["simulated"]


@pytest.mark.parametrize(("others", "is_shown"), [(0, True), (1, False), (4, False), (5, True)])
async def test_what_a_region_leaves_of_the_whole_is_as_large_as_the_floor(
    app_pool: asyncpg.Pool, sums: HouseholdSums, others: int, is_shown: bool,  # noqa: FBT001 - a table
) -> None:
    await _used(app_pool, _meters("W", 6) + _meters("E", others))

    found = await sums.consumption(FIVE_HOURLY, FIRST, LAST, 10, only=WEST)

    assert [row["households"] for row in found] == ([6] if is_shown else [])


async def test_an_open_window_is_not_summed(app_pool: asyncpg.Pool, sums: HouseholdSums) -> None:
    await _used(app_pool, _meters("W", 6), is_open=True)

    assert await sums.consumption(FIVE_HOURLY, FIRST, LAST, 10, only=None) == []


async def test_a_day_is_shown_when_it_is_over_and_whole(app_pool: asyncpg.Pool, sums: HouseholdSums) -> None:
    midnight = NOON.replace(hour=0)
    for hour in range(24):
        await _used(app_pool, _meters("W", 5), midnight + hour * HOUR)

    whole = await sums.consumption(FIVE_DAILY, FIRST, LAST, 10, only=None)
    cut = await sums.consumption(FIVE_DAILY, midnight + HOUR, LAST, 10, only=None)
    until_noon = await sums.consumption(FIVE_DAILY, FIRST, NOON, 10, only=None)

    assert [row["total_kwh"] for row in whole] == ["180"]
    assert cut == until_noon == []


async def test_a_day_that_goes_on_is_not_shown(app_pool: asyncpg.Pool, sums: HouseholdSums) -> None:
    await _used(app_pool, _meters("W", 9))

    assert await sums.consumption(FIVE_DAILY, FIRST, LAST, 10, only=None) == []


async def test_a_filter_narrows_before_the_limit_counts(app_pool: asyncpg.Pool) -> None:
    await _used(app_pool, _meters("A", 10) + _meters("W", 3))
    store = TelemetryStore(app_pool)

    windows = await store.consumption(None, FIRST, LAST, 5, WEST)
    meters = await store.meters(5, RowFilter("meter_id", ("MTR-0018", "MTR-0020", "mtr-0019")))
    none = await store.meters(5, RowFilter("meter_id", starts_with=()))

    assert [row["meter_id"] for row in windows] == _meters("W", 3)
    assert [row["meter_id"] for row in meters] == ["MTR-0018", "MTR-0020"]
    assert none == []


async def test_a_prefix_is_no_pattern(app_pool: asyncpg.Pool) -> None:
    await _used(app_pool, ["W-01", "W%01"])

    only = RowFilter("meter_id", starts_with=("W%",))

    found = await TelemetryStore(app_pool).consumption(None, FIRST, LAST, 5, only)

    assert [row["meter_id"] for row in found] == ["W%01"]


class _WatchedError(Exception):
    """The guard was reached."""


class _Watching:
    """A guard that says for which dataset it was asked, and lets nothing through."""

    async def release(self, _context: Any, dataset: str, _rows: Any, *, columns: Any, summed_over: Any = None) -> Any:
        assert columns
        assert summed_over is None
        raise _WatchedError(dataset)


class _Empty:
    """Stands for services whose answers do not matter here."""

    def __getattr__(self, name: str) -> Any:
        async def answer(*_: Any, **__: Any) -> Any:
            return {"scores": [], "about": {}} if name == "backtest" else []

        return answer


async def test_every_route_with_a_dataset_goes_through_the_guard_and_says_what_it_fulfils() -> None:
    empty: Any = _Empty()
    every = [*telemetry_endpoints.endpoints(empty, empty, empty, _Watching()),
             *load_endpoints.endpoints(empty, empty, _Watching())]
    served = [endpoint for endpoint in every if endpoint.dataset]

    assert len(served) == 12
    for endpoint in served:
        app = Starlette(routes=[Route(endpoint.path, endpoint.handler, methods=[endpoint.method])])
        path = endpoint.path.replace("{meter_id}", "M").replace("{sensor_id}", "S")
        with pytest.raises(_WatchedError, match=endpoint.dataset), TestClient(app) as client:
            client.request(endpoint.method, path + ("?year=2025" if path.endswith("load/statistics") else ""))
        assert endpoint.fulfils >= GUARDED
    assert all(not endpoint.fulfils for endpoint in every if not endpoint.dataset)
