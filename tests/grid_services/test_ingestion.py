"""The data path over HTTP on a real database: durable, idempotent, strict, and honest about what it refuses."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx2 as httpx
import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from grid_services.domain.readings import METER_TOPIC, SENSOR_TOPIC
from grid_services.http import ingest_endpoints, telemetry_endpoints
from grid_services.service import Analytics, Bus, Ingestion, Processing, telemetry_events
from grid_services.store.bus_store import BusStore
from grid_services.store.ingest_store import IngestStore
from grid_services.store.telemetry_store import TelemetryStore
from grid_services.store.window_store import WindowStore
from shared_kernel.clock import to_iso
from shared_kernel.context import RequestContext, put_context
from shared_kernel.errors import (
    ConflictError,
    ForbiddenError,
    GridwardenError,
    InvalidInputError,
    UnavailableError,
    UnprocessableError,
)
from shared_kernel.events import Event, Receipt
from tests.frozen_clock import FrozenClock
from tests.grid_services.load_fakes import KeptLineage, OpenGuard

STATUSES = ((InvalidInputError, 400), (ForbiddenError, 403), (ConflictError, 409), (UnprocessableError, 422),
            (UnavailableError, 503))


class KeptRecorder:
    """Keeps events; refuses them while `down`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.down = False

    async def record(self, event: Event) -> Receipt:
        """Keep one event."""
        if self.down:
            raise UnavailableError("the ledger is down")
        self.events.append(event)
        return Receipt(len(self.events), b"")


async def _problem(_request: Request, error: Exception) -> Response:
    status = next(code for family, code in STATUSES if isinstance(error, family))
    kind = error.kind if isinstance(error, GridwardenError) else ""
    return JSONResponse({"detail": str(error), "kind": kind}, status_code=status)


@pytest.fixture
def recorder() -> KeptRecorder:
    return KeptRecorder()


@pytest.fixture
def bus(app_pool: asyncpg.Pool) -> Bus:
    return Bus(BusStore(app_pool))


@pytest.fixture
async def client(app_pool: asyncpg.Pool, recorder: KeptRecorder, clock: FrozenClock, bus: Bus,
                 ) -> AsyncIterator[httpx.AsyncClient]:
    ingestion = Ingestion(IngestStore(app_pool), recorder, clock)
    every = (*ingest_endpoints.endpoints(ingestion),
             *telemetry_endpoints.endpoints(Analytics(TelemetryStore(app_pool)), bus, ingestion, OpenGuard()))
    app = Starlette(routes=[Route(one.path, one.handler, methods=[one.method]) for one in every],
                    exception_handlers={GridwardenError: _problem})

    async def permitted(scope: Scope, receive: Receive, send: Send) -> None:
        put_context(scope, RequestContext("r-1", permit=7))
        await app(scope, receive, send)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=permitted), base_url="http://plane/api/v1/",
    ) as client:
        yield client


@pytest.fixture
def meter(clock: FrozenClock) -> dict[str, Any]:
    return {"event_id": "e-1", "meter_id": "MTR-0001", "customer_id": "CUS-0001", "reading_kwh": "10.5", "unit": "kWh",
            "observed_at": to_iso(clock.now_us()), "provenance": "simulated"}


@pytest.fixture
def sensor(clock: FrozenClock) -> dict[str, Any]:
    return {"event_id": "s-1", "sensor_id": "S-1", "type": "voltage", "value": 230.5, "unit": "V",
            "observed_at": to_iso(clock.now_us()), "provenance": "measured"}


async def test_a_replay_makes_no_second_row_or_message(
    client: httpx.AsyncClient, meter: dict[str, Any], bus: Bus,
) -> None:
    first, again = [await client.post("ingest/meter", json=meter) for _ in range(2)]

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["duplicates"] == 1
    assert len(await bus.read(METER_TOPIC, 0, 10)) == 1
    assert len((await client.get("meters/MTR-0001/readings")).json()["items"]) == 1


async def test_an_event_id_with_other_content_conflicts(client: httpx.AsyncClient, meter: dict[str, Any]) -> None:
    await client.post("ingest/meter", json=meter)

    answer = await client.post("ingest/meter", json=meter | {"reading_kwh": "11"})

    assert (answer.status_code, answer.json()["kind"]) == (409, "event-id-conflict")


async def test_bad_items_never_poison_good_ones(client: httpx.AsyncClient, sensor: dict[str, Any]) -> None:
    items = [sensor, sensor, sensor | {"value": 231}, sensor | {"event_id": "s-2", "value": 1e9},
             sensor | {"event_id": "s-3"}, 7]

    answer = await client.post("ingest/sensor", json=items)

    assert (answer.json()["accepted"], answer.json()["duplicates"]) == (2, 1)
    assert [(one["index"], one["kind"]) for one in answer.json()["rejected"]] == [
        (2, "conflict"), (3, "invalid"), (5, "invalid")]
    assert [one["event_id"] for one in (await client.get("bus/dlq")).json()["items"]] == ["s-2", None]


async def test_ndjson_rejects_a_broken_line_only(client: httpx.AsyncClient, sensor: dict[str, Any]) -> None:
    body = orjson.dumps(sensor) + b"\n{broken\n"

    answer = await client.post("ingest/sensor", content=body, headers={"content-type": "application/x-ndjson"})

    assert answer.json()["accepted"] == 1
    assert [one["index"] for one in answer.json()["rejected"]] == [1]


@pytest.mark.parametrize("body", [b"{", b'{"value": NaN}', b'{"a": 1, "a": 2}', b"\xff"])
async def test_malformed_json_is_400(client: httpx.AsyncClient, body: bytes) -> None:
    assert (await client.post("ingest/sensor", content=body)).status_code == 400


@pytest.mark.parametrize("change", [
    {"unit": "MWh"}, {"reading_kwh": "-1"}, {"reading_kwh": "NaN"}, {"observed_at": "2026-11-18T11:00:00"},
    {"observed_at": "2026-11-18T12:06:40Z"}, {"provenance": "guessed"}, {"extra": 1}, {"event_id": ""},
])
async def test_a_reading_that_breaks_a_rule_is_422(
    client: httpx.AsyncClient, meter: dict[str, Any], change: dict[str, Any],
) -> None:
    assert (await client.post("ingest/meter", json=meter | change)).status_code == 422


async def test_a_quarantined_meter_is_refused_until_released(
    client: httpx.AsyncClient, meter: dict[str, Any], recorder: KeptRecorder,
) -> None:
    await client.post("meters/MTR-0001/quarantine", json={"reason": "tampered"})
    refused = await client.post("ingest/meter", json=meter)
    await client.post("meters/MTR-0001/release")
    taken = await client.post("ingest/meter", json=meter)

    assert (refused.status_code, refused.json()["kind"]) == (403, "meter-quarantined")
    assert "tampered" in refused.json()["detail"]
    assert taken.status_code == 201
    assert [one["event"]["action"] for one in recorder.events] == [
        "meter_quarantined", "reading_refused", "readings_ingested", "meter_released", "readings_ingested"]


async def test_what_could_not_be_sealed_is_503_and_its_retry_succeeds(
    client: httpx.AsyncClient, meter: dict[str, Any], recorder: KeptRecorder,
) -> None:
    recorder.down = True
    refused = await client.post("ingest/meter", json=meter)
    recorder.down = False

    assert refused.status_code == 503
    assert (await client.post("ingest/meter", json=meter)).json()["duplicates"] == 1


async def test_a_database_that_is_gone_is_503(
    client: httpx.AsyncClient, meter: dict[str, Any], app_pool: asyncpg.Pool,
) -> None:
    app_pool.terminate()

    assert (await client.post("ingest/meter", json=meter)).status_code == 503


async def test_late_shuffled_and_repeated_telemetry_gives_exact_windows(
    client: httpx.AsyncClient, sensor: dict[str, Any], app_pool: asyncpg.Pool, bus: Bus, clock: FrozenClock,
) -> None:
    lineage = KeptLineage()
    processing = Processing(WindowStore(app_pool), bus, lineage)
    window_us = clock.now_us() // 300_000_000 * 300_000_000
    seconds = ((3, 30), (1, 10), (2, 20), (1, 10), (4, -600), (5, -1500))
    items = [sensor | {"event_id": f"s-{n}", "value": n, "observed_at": to_iso(window_us + s * 1_000_000)}
             for n, s in seconds]
    await client.post("ingest/sensor", json=items)

    assert [await processing.step(SENSOR_TOPIC), await processing.step(SENSOR_TOPIC)] == [5, 0]

    found = (await client.get("analytics/sensors/windows?sensor_id=S-1")).json()["items"]
    assert [(one["count"], one["avg"], one["stddev"]) for one in found] == [(3, 2.0, 1.0), (1, 4.0, None)]
    assert [one["reason"] for one in (await client.get("bus/dlq")).json()["items"]] == ["late"]
    assert len(lineage.runs) == 1


async def test_a_reader_waits_for_a_message_and_sees_ecs(
    client: httpx.AsyncClient, meter: dict[str, Any], bus: Bus,
) -> None:
    waiting = asyncio.create_task(bus.wait(METER_TOPIC, 0, 5))
    await client.post("ingest/meter", json=meter)
    await waiting

    (event,) = telemetry_events(await bus.read(METER_TOPIC, 0, 10))
    assert event.event["grid"]["meter"]["reading_kwh"] == "10.5"
    assert event.event["event"]["action"] == "meter_reading"


@pytest.mark.parametrize("path", ["sensors?x=1", "sensors?limit=0", "analytics/sensors/windows?from=yesterday"])
async def test_unknown_parameters_are_400(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 400


@pytest.mark.parametrize("path", [
    "customers", "sensors", "meters", "analytics/consumption/windows", "analytics/sensors/S-1/statistics", "bus/topics",
])
async def test_every_list_answers(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200
