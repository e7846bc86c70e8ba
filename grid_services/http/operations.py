"""What the house's routes take and give. The rows of a dataset may lack columns, or hold masked values in them."""

from collections.abc import Mapping
from typing import Any

from grid_services.domain.forecast_recipe import Variant
from grid_services.http.load_endpoints import (
    ACTUAL_COLUMNS,
    COMPARISON_COLUMNS,
    DAY_AHEAD_COLUMNS,
    SCORE_COLUMNS,
    STATISTICS_COLUMNS,
)
from grid_services.http.reading_bodies import MeterBody, SensorBody
from grid_services.http.telemetry_endpoints import COLUMNS, CONSUMPTION, CUSTOMERS, DATA, MAX_LIMIT, READINGS, WINDOWS
from shared_kernel.operation import ANY, COUNT, FLAG, MAYBE_COUNT, MAYBE_TEXT, TEXT, TIME, Operation, record

_SPAN = {"from": TIME, "to": TIME}
_LIMIT = {"limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}}
_VARIANT = {"variant": {"enum": [variant.value for variant in Variant]}}
_YEAR = {"year": {"type": "integer", "minimum": 2000, "maximum": 2100, "x-required": True}}
_REPORT = record({"accepted": COUNT, "duplicates": COUNT, "rejected": {"type": "array", "items": record(
    {"index": {"type": ["integer", "null"]}, "event_id": MAYBE_TEXT, "reason": TEXT, "kind": TEXT})}}, title="Ingested")
_QUARANTINE = record({"quarantined": FLAG, "changed": FLAG}, title="Quarantine")
_REASON = record({"reason": {"type": "string", "minLength": 1, "maxLength": 200}})


def _rows(columns: tuple[str, ...], **about: Any) -> dict[str, Any]:  # noqa: ANN401 - parts of a schema
    item = {"type": "object", "properties": {column: {} for column in columns}}
    return record({"items": {"type": "array", "items": item}, "next": MAYBE_COUNT, **about}, {"watermark": TEXT})


OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("POST", "/api/v1/ingest/sensor"): Operation(
        "Take readings of sensors; 201 when they are durable, 200 when none was new", _REPORT, SensorBody, 201,
        also={200: _REPORT}),
    ("POST", "/api/v1/ingest/meter"): Operation(
        "Take readings of meters; 201 when they are durable, 200 when none was new", _REPORT, MeterBody, 201,
        also={200: _REPORT}),
    ("GET", "/api/v1/analytics/load"): Operation(
        "The measured load", _rows(ACTUAL_COLUMNS, **{"from": TIME, "to": TIME}), query=_SPAN),
    ("GET", "/api/v1/analytics/load/comparison"): Operation(
        "Measured load beside forecasts", _rows(COMPARISON_COLUMNS, variant=TEXT), query={**_SPAN, **_VARIANT}),
    ("GET", "/api/v1/analytics/load/statistics"): Operation(
        "The load of a year by month", _rows(STATISTICS_COLUMNS, year=COUNT), query=_YEAR),
    ("GET", "/api/v1/analytics/forecast/backtest"): Operation(
        "How good the forecasts were", _rows(SCORE_COLUMNS, training=ANY, unit=TEXT)),
    ("GET", "/api/v1/analytics/forecast/day-ahead"): Operation(
        "The forecast of the next day", _rows(DAY_AHEAD_COLUMNS, variant=TEXT, issued_at=MAYBE_TEXT,
                                              reason=MAYBE_TEXT), query=_VARIANT),
    ("GET", "/api/v1/analytics/sensors/windows"): Operation(
        "Readings of sensors by window", _rows(COLUMNS[WINDOWS]), query={"sensor_id": TEXT, **_SPAN, **_LIMIT}),
    ("GET", "/api/v1/analytics/sensors/{sensor_id}/statistics"): Operation(
        "One sensor's statistics", _rows(COLUMNS[WINDOWS]), query=_SPAN),
    ("GET", "/api/v1/analytics/consumption/windows"): Operation(
        "Consumption by window, of households or of sums over enough of them", _rows(COLUMNS[CONSUMPTION]),
        query={"meter_id": TEXT, **_SPAN, **_LIMIT}),
    ("GET", "/api/v1/meters/{meter_id}/readings"): Operation(
        "One meter's readings", _rows(COLUMNS[READINGS]), query={**_SPAN, **_LIMIT}),
    ("GET", "/api/v1/meters"): Operation("Meters as last heard of", _rows(COLUMNS[READINGS]), query=_LIMIT),
    ("GET", "/api/v1/customers"): Operation("The customers' registry", _rows(COLUMNS[CUSTOMERS])),
    ("GET", "/api/v1/sensors"): Operation("Sensors as last heard of", _rows(COLUMNS[DATA]), query=_LIMIT),
    ("GET", "/api/v1/bus/topics"): Operation("Topics and their consumers", _rows(())),
    ("GET", "/api/v1/bus/dlq"): Operation("Messages that could not be taken", _rows(()),
                                          query={"after": COUNT, **_LIMIT}),
    ("POST", "/api/v1/meters/{meter_id}/quarantine"): Operation(
        "Believe a meter no more", _QUARANTINE, _REASON),
    ("POST", "/api/v1/meters/{meter_id}/release"): Operation("Believe a meter again", _QUARANTINE),
}
