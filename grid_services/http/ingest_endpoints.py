"""Readings over HTTP: one object, a JSON array, or NDJSON; 201 only when they are durable."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from grid_services.domain.readings import METER_TOPIC, SENSOR_TOPIC
from grid_services.http.reading_bodies import items_of
from grid_services.service.ingestion import Ingestion, Report
from shared_kernel.context import context_of
from shared_kernel.endpoint import Endpoint

MAX_BODY = 8 * 1024 * 1024
LONG_BODY = 64 * 1024
"""A longer body is read beside the event loop, so that other requests go on meanwhile."""
NDJSON = "application/x-ndjson"


def endpoints(ingestion: Ingestion) -> tuple[Endpoint, ...]:
    """Return the two routes."""
    return tuple(
        Endpoint("POST", f"/api/v1/ingest/{name}", "ingest.write", _handler(ingestion, topic), max_body=MAX_BODY)
        for name, topic in (("sensor", SENSOR_TOPIC), ("meter", METER_TOPIC)))


def _handler(ingestion: Ingestion, topic: str) -> Callable[[Request], Any]:
    async def take(request: Request) -> Response:
        body, context = await request.body(), context_of(request.scope)
        lines = request.headers.get("content-type", "").partition(";")[0].strip().lower() == NDJSON
        found = (items_of(topic, body, lines=lines) if len(body) <= LONG_BODY
                 else await run_in_threadpool(items_of, topic, body, lines=lines))
        if isinstance(found, list):
            return _answer(await ingestion.take(topic, found, context))
        return _answer(await ingestion.take_one(topic, found, context))

    return take


def _answer(report: Report) -> Response:
    body = asdict(report) | {"rejected": [
        {"index": one.index, "event_id": one.event_id, "reason": one.reason, "kind": one.state}
        for one in report.rejected]}
    return Response(orjson.dumps(body), 201 if report.accepted else 200, media_type="application/json")
