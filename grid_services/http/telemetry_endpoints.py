"""Telemetry over HTTP: strict parameters; every row leaves through the guard, which seals who saw what."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from grid_services.domain.errors import SingleHouseholdError, WrongIdentifierError
from grid_services.domain.readings import DLQ_TOPIC, is_identifier
from grid_services.http.guarded import GUARDED, GUARDED_SUMS
from grid_services.http.load_parameters import WrongValueError, parameters, range_of
from grid_services.service import Analytics, Bus, Ingestion
from shared_kernel.context import context_of
from shared_kernel.data_access import ReadGuard
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import InvalidInputError
from shared_kernel.obligations import AggregateFloor, RowFilter
from shared_kernel.strict_json import parse_strict

DATA, WINDOWS, CONSUMPTION = "grid.sensor_data", "grid.sensor_aggregates", "grid.consumption_aggregates"
READINGS, CUSTOMERS = "grid.meter_readings", "grid.customers"
COLUMNS = {
    DATA: ("sensor_id", "sensor_type", "unit", "timestamp", "provenance"),
    WINDOWS: ("sensor_id", "sensor_type", "window_start", "window_end", "avg", "min", "max", "count", "stddev",
              "provenance", "is_final"),
    CONSUMPTION: ("meter_id", "window_start", "window_end", "total_kwh", "count", "provenance", "is_final"),
    READINGS: ("event_id", "meter_id", "customer_id", "timestamp", "reading_kwh", "provenance"),
    CUSTOMERS: ("customer_id", "name", "address", "meter_id", "provenance"),
}
STATISTICS_COLUMNS = COLUMNS[WINDOWS][:-1]
SUM_COLUMNS = ("window_start", "window_end", "total_kwh", "households", "provenance", "is_final")
METER_COLUMNS = ("meter_id", "timestamp", "provenance", "quarantined")
_FULFILS = {"analytics/consumption/windows": GUARDED_SUMS}
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
MAX_LIMIT, MAX_REASON = 1000, 200


class _Telemetry:
    """Handlers of governed rows."""

    def __init__(self, analytics: Analytics, guard: ReadGuard) -> None:
        self._analytics, self._guard = analytics, guard

    async def statistics(self, request: Request) -> Response:
        span = _span(parameters(request, "from", "to"))
        rows = await self._analytics.statistics(_device(request, "sensor_id"), *span)
        return await self._released(request, WINDOWS, rows, STATISTICS_COLUMNS)

    async def windows(self, request: Request) -> Response:
        query = parameters(request, "sensor_id", "from", "to", "limit")
        rows = await self._analytics.sensor_windows(
            _wanted(query, "sensor_id"), *_span(query), _limit(query), only=_only(request, "sensor_id"))
        return await self._released(request, WINDOWS, rows)

    async def consumption(self, request: Request) -> Response:
        query = parameters(request, "meter_id", "from", "to", "limit")
        floor = AggregateFloor.of(context_of(request.scope).obligations)
        meter_id, only = _wanted(query, "meter_id"), _only(request, "meter_id")
        if floor is None:
            rows = await self._analytics.consumption(meter_id, *_span(query), _limit(query), only=only)
            return await self._released(request, CONSUMPTION, rows)
        if meter_id is not None:
            raise SingleHouseholdError(floor.n)
        rows = await self._analytics.summed_consumption(floor, *_span(query), _limit(query), only=only)
        return await self._released(request, CONSUMPTION, rows, SUM_COLUMNS, summed_over=only)

    async def readings(self, request: Request) -> Response:
        query = parameters(request, "from", "to", "limit")
        rows = await self._analytics.readings(_device(request, "meter_id"), *_span(query), _limit(query))
        return await self._released(request, READINGS, rows)

    async def customers(self, request: Request) -> Response:
        parameters(request)
        return await self._released(request, CUSTOMERS, await self._analytics.customers())

    async def sensors(self, request: Request) -> Response:
        rows = await self._analytics.sensors(
            _limit(parameters(request, "limit")), only=_only(request, "sensor_id"))
        return await self._released(request, DATA, rows)

    async def meters(self, request: Request) -> Response:
        rows = await self._analytics.meters(
            _limit(parameters(request, "limit")), only=_only(request, "meter_id"))
        return await self._released(request, READINGS, rows, METER_COLUMNS)

    async def _released(
        self, request: Request, dataset: str, rows: Sequence[dict[str, Any]], columns: Sequence[str] = (),
        summed_over: RowFilter | None = None,
    ) -> Response:
        context = context_of(request.scope)
        released = await self._guard.release(
            context, dataset, rows, columns=columns or COLUMNS[dataset], summed_over=summed_over)
        return _answer(released, watermark=context.watermark)


class _Operations:
    """Handlers of the bus and the quarantine."""

    def __init__(self, bus: Bus, ingestion: Ingestion) -> None:
        self._bus, self._ingestion = bus, ingestion

    async def topics(self, request: Request) -> Response:
        parameters(request)
        return _answer(await self._bus.topics())

    async def dead_letters(self, request: Request) -> Response:
        query = parameters(request, "after", "limit")
        after, limit = _number(query, "after", 0, 2**62), _limit(query)
        found = await self._bus.read(DLQ_TOPIC, after, limit)
        rows = [{"offset": one.offset, **{name: value for name, value in one.body.items() if name != "message"}}
                for one in found]
        return _answer(rows, found[-1].offset + 1 if len(found) == limit else None)

    async def quarantine(self, request: Request) -> Response:
        body = parse_strict(await request.body())
        reason = body.get("reason") if isinstance(body, dict) and body.keys() == {"reason"} else None
        if not isinstance(reason, str) or not 0 < len(reason.strip()) <= MAX_REASON or "\0" in reason:
            raise InvalidInputError('say why: {"reason": "..."} with 1 to 200 characters')
        by = context_of(request.scope).principal.subject
        changed = await self._ingestion.quarantine_meter(_device(request, "meter_id"), reason=reason, by=by)
        return Response(orjson.dumps({"quarantined": True, "changed": changed}), media_type="application/json")

    async def release(self, request: Request) -> Response:
        by = context_of(request.scope).principal.subject
        changed = await self._ingestion.release_meter(_device(request, "meter_id"), by=by)
        return Response(orjson.dumps({"quarantined": False, "changed": changed}), media_type="application/json")


def endpoints(analytics: Analytics, bus: Bus, ingestion: Ingestion, guard: ReadGuard) -> tuple[Endpoint, ...]:
    """Return the routes of telemetry, bus and quarantine."""
    data, work = _Telemetry(analytics, guard), _Operations(bus, ingestion)
    routes = (
        ("GET", "analytics/sensors/windows", "analytics.read", data.windows, WINDOWS),
        ("GET", "analytics/sensors/{sensor_id}/statistics", "analytics.read", data.statistics, WINDOWS),
        ("GET", "analytics/consumption/windows", "analytics.read", data.consumption, CONSUMPTION),
        ("GET", "meters/{meter_id}/readings", "meters.read", data.readings, READINGS),
        ("GET", "meters", "meters.read", data.meters, READINGS),
        ("GET", "customers", "customers.read", data.customers, CUSTOMERS),
        ("GET", "sensors", "analytics.read", data.sensors, DATA),
        ("GET", "bus/topics", "bus.read", work.topics, None),
        ("GET", "bus/dlq", "dlq.read", work.dead_letters, None),
        ("POST", "meters/{meter_id}/quarantine", "meters.quarantine", work.quarantine, None),
        ("POST", "meters/{meter_id}/release", "meters.release", work.release, None),
    )
    return tuple(Endpoint(method, f"/api/v1/{path}", action, handler, dataset=dataset,
                          fulfils=_FULFILS.get(path, GUARDED) if dataset else frozenset())
                 for method, path, action, handler, dataset in routes)


def _only(request: Request, column: str) -> RowFilter | None:
    """Return the demanded filter as far as the store can apply it; the guard applies or refuses the rest."""
    demanded = RowFilter.of(context_of(request.scope).obligations)
    return demanded if demanded is not None and demanded.column == column else None


def _device(request: Request, name: str) -> str:
    return _identifier(name, request.path_params[name])


def _wanted(query: dict[str, str], name: str) -> str | None:
    return _identifier(name, query[name]) if name in query else None


def _identifier(name: str, text: str) -> str:
    if not is_identifier(text):
        raise WrongIdentifierError(name)
    return text


def _span(query: dict[str, str]) -> tuple[datetime, datetime]:
    start, end = range_of(query)
    if start and end and start >= end:
        raise InvalidInputError("from must be before to")
    return start or FIRST, end or LAST


def _limit(query: dict[str, str]) -> int:
    return _number(query | {"limit": query.get("limit", "100")}, "limit", 1, MAX_LIMIT)


def _number(query: dict[str, str], name: str, least: int, greatest: int) -> int:
    text = query.get(name, str(least))
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= greatest):  # noqa: PLR2004 - int64
        raise WrongValueError(name, text, f"a whole number from {least} to {greatest}")
    return int(text)


def _answer(items: Sequence[Any], following: int | None = None, *, watermark: str | None = None) -> Response:
    mark = {} if watermark is None else {"watermark": watermark}
    return Response(orjson.dumps({"items": items, "next": following, **mark}, option=orjson.OPT_UTC_Z),
                    media_type="application/json")
