"""Load and forecast over HTTP: every row leaves through the guard, which seals who saw what."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from grid_services.http.guarded import GUARDED
from grid_services.http.load_parameters import parameters, range_of, variant_of, year_of
from grid_services.service.forecasting import Forecasting
from grid_services.service.load_analytics import LoadAnalytics
from shared_kernel.context import context_of
from shared_kernel.data_access import ReadGuard
from shared_kernel.endpoint import Endpoint

ACTION = "analytics.read"
LOAD, FORECAST = "grid.load_actual", "grid.forecast"
ACTUAL_COLUMNS = ("hour", "actual_mw", "quality")
COMPARISON_COLUMNS = (
    "hour", "actual_mw", "operator_forecast_mw", "forecast_p10_mw", "forecast_p50_mw", "forecast_p90_mw", "quality",
)
STATISTICS_COLUMNS = (
    "month", "hours", "ok", "zero", "spike", "missing", "mean_mw", "min_mw", "max_mw", "measured_gwh",
)
SCORE_COLUMNS = (
    "period", "hours", "operator", "naive_week", "without_operator", "with_operator", "coverage_without_operator",
    "coverage_with_operator",
)
DAY_AHEAD_COLUMNS = ("hour", "forecast_p10_mw", "forecast_p50_mw", "forecast_p90_mw")
NOT_PUBLISHED = (
    "the operator's forecast of the day after the newest measurement is not published, and this variant needs it: "
    "ask for variant=without_operator"
)


class _Load:
    """Handlers of the measured load."""

    def __init__(self, analytics: LoadAnalytics, guard: ReadGuard) -> None:
        self._analytics = analytics
        self._guard = guard

    async def actual(self, request: Request) -> Response:
        span = await self._analytics.span(*range_of(parameters(request, "from", "to")))
        rows = await self._guard.release(
            context_of(request.scope), LOAD, await self._analytics.actual(span), columns=ACTUAL_COLUMNS)
        return _answer(request, {"from": span.start, "to": span.end, "items": rows, "next": None})

    async def comparison(self, request: Request) -> Response:
        query = parameters(request, "from", "to", "variant")
        variant = variant_of(query)
        span = await self._analytics.span(*range_of(query))
        rows = await self._guard.release(
            context_of(request.scope), LOAD, await self._analytics.comparison(span, variant.value),
            columns=COMPARISON_COLUMNS)
        return _answer(request, {"from": span.start, "to": span.end, "variant": variant, "items": rows, "next": None})

    async def statistics(self, request: Request) -> Response:
        year = year_of(parameters(request, "year"))
        rows = await self._guard.release(
            context_of(request.scope), LOAD, await self._analytics.statistics(year), columns=STATISTICS_COLUMNS)
        return _answer(request, {"year": year, "items": rows, "next": None})


class _Forecast:
    """Handlers of our forecast."""

    def __init__(self, forecasting: Forecasting, guard: ReadGuard) -> None:
        self._forecasting = forecasting
        self._guard = guard

    async def backtest(self, request: Request) -> Response:
        parameters(request)
        found = await self._forecasting.backtest()
        rows = await self._guard.release(
            context_of(request.scope), FORECAST, found["scores"], columns=SCORE_COLUMNS)
        return _answer(request, {"training": found["about"], "unit": "percent", "items": rows, "next": None})

    async def day_ahead(self, request: Request) -> Response:
        variant = variant_of(parameters(request, "variant"))
        found = await self._forecasting.day_ahead(variant)
        rows = await self._guard.release(context_of(request.scope), FORECAST, found, columns=DAY_AHEAD_COLUMNS)
        issued_at = found[0]["issued_at"] if found else None
        reason = None if rows else NOT_PUBLISHED
        return _answer(request, {
            "variant": variant, "issued_at": issued_at, "reason": reason, "items": rows, "next": None})


def endpoints(analytics: LoadAnalytics, forecasting: Forecasting, guard: ReadGuard) -> tuple[Endpoint, ...]:
    """Return the five routes of load and forecast."""
    load, forecast = _Load(analytics, guard), _Forecast(forecasting, guard)
    routes: Sequence[tuple[str, str, Any]] = (
        ("load", LOAD, load.actual), ("load/comparison", LOAD, load.comparison),
        ("load/statistics", LOAD, load.statistics),
        ("forecast/backtest", FORECAST, forecast.backtest), ("forecast/day-ahead", FORECAST, forecast.day_ahead),
    )
    return tuple(Endpoint("GET", f"/api/v1/analytics/{path}", ACTION, handler, dataset=dataset, fulfils=GUARDED)
                 for path, dataset, handler in routes)


def _answer(request: Request, body: Mapping[str, Any]) -> Response:
    watermark = context_of(request.scope).watermark
    mark = {} if watermark is None else {"watermark": watermark}
    return Response(orjson.dumps({**body, **mark}, option=orjson.OPT_UTC_Z), media_type="application/json")
