"""The telemetry's routes on a real database, and one good reading of each kind."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from grid_services.http import ingest_endpoints, telemetry_endpoints
from grid_services.service import Analytics, Bus, Ingestion
from grid_services.store.bus_store import BusStore
from grid_services.store.household_sums import HouseholdSums
from grid_services.store.ingest_store import IngestStore
from grid_services.store.telemetry_store import TelemetryStore
from shared_kernel.clock import to_iso
from shared_kernel.context import RequestContext, put_context
from shared_kernel.errors import GridwardenError
from tests.frozen_clock import FrozenClock
from tests.grid_services.load_fakes import OpenGuard
from tests.grid_services.telemetry_fakes import KeptRecorder, problem


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
             *telemetry_endpoints.endpoints(
                 Analytics(TelemetryStore(app_pool), HouseholdSums(app_pool)), bus, ingestion, OpenGuard()))
    app = Starlette(routes=[Route(one.path, one.handler, methods=[one.method]) for one in every],
                    exception_handlers={GridwardenError: problem})

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
