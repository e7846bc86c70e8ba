"""The alert queue and the rules over HTTP."""

from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import asyncpg
import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared_kernel.context import RequestContext, put_context
from shared_kernel.errors import GridwardenError
from shared_kernel.principal import Principal, PrincipalKind
from siem_rules.http import endpoints
from siem_rules.service import AlertQueue, Detector, shipped_rules
from siem_rules.store.alerts import AlertStore
from siem_rules.store.progress import ProgressStore
from tests.frozen_clock import FrozenClock
from tests.siem_rules.sealed import START_US, ListLedger, login, sealed

ANALYST = Principal("u-1", "sabina", PrincipalKind.PERSON)
ATTACK = [login(at, at, f"user{at}", "203.0.113.9", failed=at != 5) for at in range(12)]


def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, GridwardenError)
    return JSONResponse({"kind": error.kind, "detail": error.detail}, status_code=400)


@pytest.fixture
def ledger() -> ListLedger:
    return ListLedger()


@pytest.fixture
async def client(app_pool: asyncpg.Pool, ledger: ListLedger) -> AsyncIterator[httpx.AsyncClient]:
    clock, alerts = FrozenClock(START_US), AlertStore(app_pool)
    detector = Detector(
        ProgressStore(app_pool), alerts, folders=[shipped_rules()], recorder=ledger, clock=clock,
    )
    await detector.start()
    await detector.observe("ledger", sealed(ATTACK))
    routes = [Route(item.path, item.handler, methods=[item.method])
              for item in endpoints(detector, AlertQueue(alerts, ledger, clock))]
    app = Starlette(routes=routes, exception_handlers={GridwardenError: _problem})

    async def with_context(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        put_context(scope, RequestContext("r-1", principal=ANALYST))
        await app(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(with_context), base_url="http://gateway") as found:
        yield found


async def _first(client: httpx.AsyncClient) -> str:
    return str((await client.get("/api/v1/alerts?severity=critical")).json()["items"][0]["id"])


async def test_alerts_come_newest_first_in_pages(client: httpx.AsyncClient) -> None:
    first = (await client.get("/api/v1/alerts?limit=1")).json()
    second = (await client.get(f"/api/v1/alerts?limit=1&before={first['next']}")).json()

    assert first["items"][0]["rule"]["name"] == "Credential stuffing opened an account"
    assert second["items"][0]["rule"]["name"] == "Credential stuffing from one address"


async def test_an_alert_explains_itself(client: httpx.AsyncClient) -> None:
    alert = (await client.get(f"/api/v1/alerts/{await _first(client)}")).json()

    assert "target user.name=user5" in alert["why"]
    assert {"source": "ledger", "seq": 5} in alert["evidence"]
    assert "Credential stuffing" in alert["rule_text"]


async def test_a_status_change_is_sealed_with_who_and_why(client: httpx.AsyncClient, ledger: ListLedger) -> None:
    alert = await _first(client)

    answer = await client.post(f"/api/v1/alerts/{alert}/status", json={"status": "Closed", "reason": "a drill"})

    assert (answer.json()["status"], answer.json()["owner"]) == ("Closed", "sabina")
    assert ledger.events[-1]["event"] | {"id": 0} == ledger.events[-1]["event"] | {
        "id": 0, "action": "alert_status_changed", "reason": "a drill"}


async def test_a_change_that_cannot_be_sealed_does_not_stand(client: httpx.AsyncClient, ledger: ListLedger) -> None:
    alert = await _first(client)
    ledger.down = True

    refused = await client.post(f"/api/v1/alerts/{alert}/status", json={"status": "In progress"})

    assert refused.json()["kind"] == "unavailable"
    assert (await client.get(f"/api/v1/alerts/{alert}")).json()["status"] == "New"


@pytest.mark.parametrize(("body", "kind"), [
    ('{"status": "Closed"}', "unprocessable"), ('{"status": "Closed", "reason": " "}', "unprocessable"),
    ('{"status": "Gone"}', "unprocessable"), ('{"status": "New"}', "conflict"),
    ('{"status": "Closed", "by": "x"}', "unprocessable"), ('{"status": NaN}', "invalid-input"),
    ('{"status": "New", "status": "Closed"}', "invalid-input"),
])
async def test_a_wrong_status_change_is_refused(client: httpx.AsyncClient, body: str, kind: str) -> None:
    answer = await client.post(f"/api/v1/alerts/{await _first(client)}/status", content=body)

    assert answer.json()["kind"] == kind


@pytest.mark.parametrize(("path", "kind"), [
    ("/api/v1/alerts?limit=0", "invalid-input"), ("/api/v1/alerts?before=-1", "invalid-input"),
    ("/api/v1/alerts?colour=red", "invalid-input"), ("/api/v1/alerts/none", "not-found"),
    ("/api/v1/rules/none", "not-found"),
])
async def test_a_wrong_question_is_refused(client: httpx.AsyncClient, path: str, kind: str) -> None:
    assert (await client.get(path)).json()["kind"] == kind


async def test_rules_and_detection_show_themselves(client: httpx.AsyncClient) -> None:
    rules = (await client.get("/api/v1/rules")).json()["items"]
    rule = (await client.get("/api/v1/rules/GR-007")).json()
    status = (await client.get("/api/v1/detection/status")).json()

    assert len(rules) == status["rules"]["loaded"] == 6
    assert "ledger_verified" in rule["text"]
    assert status["sources"][0]["next_seq"] == len(ATTACK)
