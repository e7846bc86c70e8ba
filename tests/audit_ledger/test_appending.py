"""Services append their own events, once a key, and can never pass for the product."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audit_ledger.http.appending import endpoints
from audit_ledger.service import Ledger
from audit_ledger.service.intake import Intake
from shared_kernel.context import RequestContext, put_context
from shared_kernel.errors import GridwardenError, UnprocessableError
from shared_kernel.principal import Principal, PrincipalKind
from tests.audit_ledger.rig import Rig

BILLING = Principal("client-billing", "billing", PrincipalKind.SERVICE, roles=frozenset({"service"}))
EVENT = {"event": {"action": "billing.invoice_created", "outcome": "success"}, "labels": {"invoice": "4711"}}


async def rendered(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 422 if isinstance(error, UnprocessableError) else 400)


@pytest.fixture
async def ledger(rig: Rig) -> AsyncIterator[Ledger]:
    made = rig.ledger()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def client(ledger: Ledger, rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    routes = [Route(each.path, each.handler, methods=[each.method]) for each in endpoints(Intake(ledger, rig.clock))]
    inner = Starlette(routes=routes, exception_handlers={GridwardenError: rendered})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        put_context(scope, RequestContext("request-9", principal=BILLING))
        await inner(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gw") as made:
        yield made


PATH = "/api/v1/ledger/entries"


async def test_an_event_becomes_an_entry_that_says_who_sent_it(client: httpx.AsyncClient, ledger: Ledger) -> None:
    answer = await client.post(PATH, json=EVENT)

    body = answer.json()
    entry = await ledger.entry(body["seq"])
    [sealed] = await ledger.read(body["seq"], 1)
    assert (answer.status_code, answer.headers["location"]) == (201, f"{PATH}/{body['seq']}")
    assert (entry.entry_hash.hex(), entry.columns.action) == (body["entry_hash"], "billing.invoice_created")
    assert (sealed.event["event"]["provider"], sealed.event["labels"]) == ("client-billing", {"invoice": "4711"})


async def test_a_key_is_sealed_once_however_often_and_however_parallel_it_is_sent(
    client: httpx.AsyncClient, ledger: Ledger,
) -> None:
    answers = await asyncio.gather(*(
        client.post(PATH, json=EVENT, headers={"idempotency-key": "invoice-4711"}) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["seq"] for answer in answers}) == 1
    assert len(await ledger.find(action="billing.invoice_created")) == 1


@pytest.mark.parametrize("body", [
    [], "x", {}, {"event": 1}, {"event": {}}, {"event": {"action": "invoice"}}, {"event": {"action": "Billing.Made"}},
    {"event": {"action": "billing." + "x" * 128}}, {"event": {"action": "billing.made", "id": "mine"}},
    {"event": {"action": "billing.made", "provider": "gridwarden"}}, {"event": {"action": "billing.made"}, "grid": {}},
    {"event": {"action": "billing.made", "outcome": "perhaps"}}, {"event": {"action": "billing.made"}, "ecs": {}},
    {"event": {"action": "ledger_pruned"}}, {"event": {"action": "billing.made\n"}},
])
async def test_what_is_no_service_s_event_is_refused_and_nothing_is_sealed(
    client: httpx.AsyncClient, ledger: Ledger, body: Any,
) -> None:
    before = ledger.head()

    answer = await client.post(PATH, json=body)

    assert (answer.status_code, ledger.head()) == (422, before)


@pytest.mark.parametrize("raw", [
    b'{"event":{"action":"a.b"},"x":1.5}', b'{"event":{"action":"a.b"},"x":9007199254740993}',
    b'{"event":{"action":"a.b","action":"a.c"}}', b'{"event":{"action":"a.b"},"x":NaN}',
    '{"event":{"action":"a.b"},"x":"e\u0301"}'.encode(), b'{"event":{"action":"a.b"},"x":"\\ud800"}',
])
async def test_what_has_no_one_byte_form_is_refused(client: httpx.AsyncClient, ledger: Ledger, raw: bytes) -> None:
    before = ledger.head()

    answer = await client.post(PATH, content=raw)

    assert (answer.status_code, ledger.head()) == (400, before)


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "caf\u00e9"])
async def test_a_key_that_is_none_is_refused(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post(PATH, json=EVENT, headers={b"idempotency-key": key.encode()})

    assert answer.status_code == 422
