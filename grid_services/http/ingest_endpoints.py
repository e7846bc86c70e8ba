"""Readings over HTTP: one object, a JSON array, or NDJSON; strict JSON, then msgspec, then the domain's rules."""

from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Literal

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from grid_services.domain.readings import METER_TOPIC, SENSOR_TOPIC, MeterReading, SensorReading
from grid_services.service.ingestion import Ingestion, Item, Report, Unreadable
from shared_kernel.clock import from_iso
from shared_kernel.context import context_of
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import InvalidInputError
from shared_kernel.strict_json import parse_strict

MAX_BODY = 8 * 1024 * 1024
NDJSON = "application/x-ndjson"
Provenance = Literal["measured", "simulated"]


class SensorBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A sensor's reading as sent."""

    event_id: str
    sensor_id: str
    type: str
    value: float
    unit: str
    observed_at: str
    provenance: Provenance

    def reading(self) -> SensorReading:
        """Return the domain's value; ValueError when the time is not RFC 3339 with an offset."""
        return SensorReading(self.event_id, self.sensor_id, self.type, float(self.value), self.unit,
                             _moment_us(self.observed_at), self.provenance)


class MeterBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A meter's reading as sent."""

    event_id: str
    meter_id: str
    customer_id: str
    reading_kwh: str | float | int
    unit: str
    observed_at: str
    provenance: Provenance

    def reading(self) -> MeterReading:
        """Return the domain's value; ValueError when the register or the time is not understood."""
        text = str(self.reading_kwh)
        try:
            register = Decimal(text if len(text) <= 24 else "none")  # noqa: PLR2004 - no register has more digits
        except ArithmeticError as cause:
            raise ValueError("reading_kwh is not a decimal number") from cause
        return MeterReading(self.event_id, self.meter_id, self.customer_id, register, self.unit,
                            _moment_us(self.observed_at), self.provenance)


def endpoints(ingestion: Ingestion) -> tuple[Endpoint, ...]:
    """Return the two routes."""
    routes: tuple[tuple[str, str, type[SensorBody | MeterBody]], ...] = (
        ("sensor", SENSOR_TOPIC, SensorBody), ("meter", METER_TOPIC, MeterBody))
    return tuple(
        Endpoint("POST", f"/api/v1/ingest/{name}", "ingest.write", _handler(ingestion, topic, model), max_body=MAX_BODY)
        for name, topic, model in routes)


def _handler(ingestion: Ingestion, topic: str, model: type[SensorBody | MeterBody]) -> Callable[[Request], Any]:
    async def take(request: Request) -> Response:
        body, context = await request.body(), context_of(request.scope)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() == NDJSON:
            return _answer(await ingestion.take(topic, _lines(body, model), context))
        value = parse_strict(body)
        if isinstance(value, list):
            return _answer(await ingestion.take(topic, [_item(one, model) for one in value], context))
        return _answer(await ingestion.take_one(topic, _item(value, model), context))

    return take


def _lines(body: bytes, model: type[SensorBody | MeterBody]) -> list[Item]:
    found: list[Item] = []
    for line in body.splitlines():
        if line.strip():
            try:
                found.append(_item(parse_strict(line), model))
            except InvalidInputError as error:
                found.append(Unreadable(str(error), line[:4096].decode(errors="replace")))
    return found


def _item(value: Any, model: type[SensorBody | MeterBody]) -> Item:  # noqa: ANN401 - any JSON value
    try:
        return msgspec.convert(value, model).reading()
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        event_id = value.get("event_id") if isinstance(value, dict) else None
        return Unreadable(str(error), value, event_id[:64] if isinstance(event_id, str) else None)


def _moment_us(text: str) -> int:
    try:
        return from_iso(text)
    except (ValueError, OverflowError) as cause:
        raise ValueError("observed_at must be RFC 3339 with an offset, such as 2026-11-21T07:00:00Z") from cause


def _answer(report: Report) -> Response:
    body = asdict(report) | {"rejected": [
        {"index": one.index, "event_id": one.event_id, "reason": one.reason, "kind": one.state}
        for one in report.rejected]}
    return Response(orjson.dumps(body), 201 if report.accepted else 200, media_type="application/json")
