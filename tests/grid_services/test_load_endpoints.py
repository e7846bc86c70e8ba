"""Load and forecast over HTTP: strict parameters, governed rows."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from grid_services.http.load_endpoints import endpoints
from grid_services.service.forecasting import Forecasting
from grid_services.service.load_analytics import LoadAnalytics
from grid_services.service.load_archive import LoadArchive
from grid_services.store.forecast_store import ForecastStore
from grid_services.store.load_store import LoadStore
from shared_kernel.context import RequestContext, put_context
from shared_kernel.errors import ForbiddenError, GridwardenError, InvalidInputError, NotFoundError, UnavailableError
from tests.grid_services.load_fakes import HOUR, START, KeptLineage, ListArchive, OpenGuard
from tests.grid_services.test_forecasting import QuickTrainer

STATUSES = ((InvalidInputError, 400), (ForbiddenError, 403), (NotFoundError, 404), (UnavailableError, 503))


async def _problem(_request: Request, error: Exception) -> Response:
    status = next(code for family, code in STATUSES if isinstance(error, family))
    return JSONResponse({"detail": str(error)}, status_code=status)


@pytest.fixture
def guard() -> OpenGuard:
    return OpenGuard()


@pytest.fixture
async def loads(app_pool: asyncpg.Pool) -> LoadStore:
    """Fifty hours of 2025, the second zero, the third a spike, the fourth missing."""
    store = LoadStore(app_pool)
    rows: list[tuple[int, float | None]] = [(START + place * HOUR, 1000.0) for place in range(50) if place != 3]
    rows[1:3] = [(START + HOUR, 0.0), (START + 2 * HOUR, 9_000.0)]
    await LoadArchive(ListArchive(rows), store, KeptLineage()).load()
    return store


@pytest.fixture
async def forecasting(app_pool: asyncpg.Pool, loads: LoadStore) -> Forecasting:
    return Forecasting(loads, ForecastStore(app_pool), QuickTrainer(), KeptLineage())


@pytest.fixture
async def client(loads: LoadStore, forecasting: Forecasting, guard: OpenGuard) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the five routes; the header Permit says whether the enforcement point permitted."""
    routes = [Route(one.path, one.handler, methods=[one.method])
              for one in endpoints(LoadAnalytics(loads), forecasting, guard)]
    app = Starlette(routes=routes, exception_handlers={GridwardenError: _problem})

    async def permitted(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        put_context(scope, RequestContext("r-1", permit=None if headers.get(b"permit") == b"none" else 7))
        await app(scope, receive, send)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=permitted), base_url="http://plane/api/v1/analytics/",
    ) as client:
        yield client


async def test_every_hour_is_shown_with_its_mark_and_bad_figures_are_null(
    client: httpx.AsyncClient, guard: OpenGuard,
) -> None:
    answer = (await client.get("load", params={"from": "2025-01-01", "to": "2025-01-02"})).json()

    assert answer["items"][:4] == [
        {"hour": "2024-12-31T23:00:00Z", "actual_mw": 1000.0, "quality": "ok"},
        {"hour": "2025-01-01T00:00:00Z", "actual_mw": None, "quality": "zero"},
        {"hour": "2025-01-01T01:00:00Z", "actual_mw": None, "quality": "spike"},
        {"hour": "2025-01-01T02:00:00Z", "actual_mw": None, "quality": "missing"},
    ]
    assert (len(answer["items"]), answer["next"]) == (24, None)
    assert guard.asked == [("grid.load_actual", ("hour", "actual_mw", "quality"), 24)]


async def test_without_a_range_the_last_seven_days_of_the_archive_come(client: httpx.AsyncClient) -> None:
    answer = (await client.get("load")).json()

    assert (answer["from"], answer["to"]) == ("2024-12-27T01:00:00Z", "2025-01-03T01:00:00Z")
    assert len(answer["items"]) == 50


async def test_the_comparison_puts_three_forecasts_beside_the_measurement(
    client: httpx.AsyncClient, forecasting: Forecasting,
) -> None:
    await forecasting.ensure_trained()

    answer = (await client.get("load/comparison", params={"from": "2025-01-02T23:00:00Z"})).json()

    assert answer["variant"] == "without_operator"
    assert answer["items"][0] == {
        "hour": "2025-01-02T23:00:00Z", "actual_mw": 1000.0, "operator_forecast_mw": 1000.0, "forecast_p10_mw": 1.0,
        "forecast_p50_mw": 2.0, "forecast_p90_mw": 3.0, "quality": "ok",
    }


async def test_statistics_count_bad_hours_and_average_good_ones(client: httpx.AsyncClient) -> None:
    year: dict[str, Any] = (await client.get("load/statistics", params={"year": "2025"})).json()["items"][-1]

    assert [year[name] for name in ("month", "hours", "ok", "zero", "spike", "missing")] == ["2025", 50, 47, 1, 1, 1]
    assert (year["mean_mw"], year["min_mw"], year["max_mw"], year["measured_gwh"]) == (1000.0, 1000.0, 1000.0, 47.0)


async def test_backtest_and_day_ahead_come_from_the_training(
    client: httpx.AsyncClient, forecasting: Forecasting, guard: OpenGuard,
) -> None:
    await forecasting.ensure_trained()

    backtest = (await client.get("forecast/backtest")).json()
    ahead = (await client.get("forecast/day-ahead")).json()
    unpublished = (await client.get("forecast/day-ahead", params={"variant": "with_operator"})).json()

    assert [row["period"] for row in backtest["items"]] == ["2025-01", "2025-02", "total"]
    assert backtest["training"]["recipe"]
    assert ahead["issued_at"] == "2024-12-31T23:00:00Z"
    assert ahead["items"][0]["forecast_p50_mw"] == 2.0
    assert (unpublished["items"], unpublished["issued_at"]) == ([], None)
    assert (ahead["reason"], "variant=without_operator" in unpublished["reason"]) == (None, True)
    assert {dataset for dataset, _, _ in guard.asked} == {"grid.forecast"}


@pytest.mark.parametrize("path", ["forecast/backtest", "forecast/day-ahead"])
async def test_a_plane_without_a_trained_forecast_says_why(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 404
    assert "training has not begun yet" in answer.json()["detail"]


@pytest.mark.parametrize(("path", "part"), [
    ("load?from=yesterday", "is not a time"), ("load?from=2025-01-01T00:00:00", "is not a time"),
    ("load?from=2025-13-01", "is not a time"), ("load?from=0001-01-01", "is not a time"),
    ("load?from=9999-12-31", "is not a time"),
    ("load?from=2025-01-02&to=2025-01-01", "must lie before"),
    ("load?from=2025-01-01&to=2025-01-01", "must lie before"), ("load?from=2023-01-01&to=2025-01-01", "400 days"),
    ("load?limit=3", "unknown or repeated"), ("load?to=2025-01-01&to=2025-01-02", "unknown or repeated"),
    ("load/comparison?variant=best", "one of without_operator, with_operator"),
    ("load/statistics", "a year from 2000"), ("load/statistics?year=1999", "a year from 2000"),
    ("load/statistics?year=%D9%A2", "a year from 2000"), ("forecast/backtest?year=2025", "takes no parameters"),
    ("load/statistics?year=99999999999999999999", "a year from 2000"),
])
async def test_a_parameter_that_is_not_understood_is_refused_with_the_remedy(
    client: httpx.AsyncClient, guard: OpenGuard, path: str, part: str,
) -> None:
    answer = await client.get(path)

    assert answer.status_code == 400
    assert part in answer.json()["detail"]
    assert guard.asked == []


@pytest.mark.parametrize("path", ["load", "load/comparison", "load/statistics?year=2025"])
async def test_without_a_permit_no_row_leaves(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"Permit": "none"})

    assert answer.status_code == 403


async def test_every_route_names_its_action_and_its_dataset(
    loads: LoadStore, forecasting: Forecasting, guard: OpenGuard,
) -> None:
    routes = endpoints(LoadAnalytics(loads), forecasting, guard)

    assert len(routes) == 5
    assert {route.action for route in routes} == {"analytics.read"}
    assert {route.dataset for route in routes} == {"grid.load_actual", "grid.forecast"}
