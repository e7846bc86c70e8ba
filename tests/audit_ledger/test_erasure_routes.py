"""Erasing over HTTP, behind a wrapper that stands in for the gateway."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audit_ledger.domain.privacy.personal import ERASED
from audit_ledger.domain.privacy.sealing import KeyEncryptionKey
from audit_ledger.http import erasures
from shared_kernel.context import put_context
from shared_kernel.errors import GridwardenError, InvalidInputError, NotFoundError, UnprocessableError
from tests.audit_ledger.rig import Rig
from tests.audit_ledger.sealing_rig import STEWARD, SealingRig

PATH = "/api/v1/ledger/erasures"
STATUS = {InvalidInputError: 400, NotFoundError: 404, UnprocessableError: 422}


async def rendered(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, STATUS[next(each for each in STATUS if isinstance(error, each))])


@pytest.fixture
async def desk(rig: Rig) -> AsyncIterator[SealingRig]:
    made = SealingRig(rig, KeyEncryptionKey(bytes(32)))
    await made.ledger.start()
    await made.seal("ada", "ada", "bob")
    yield made
    await made.ledger.stop()


@pytest.fixture
async def client(desk: SealingRig) -> AsyncIterator[httpx.AsyncClient]:
    routes = [Route(each.path, each.handler, methods=[each.method]) for each in erasures.endpoints(desk.erasure)]
    inner = Starlette(routes=routes, exception_handlers={GridwardenError: rendered})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        put_context(scope, STEWARD)
        await inner(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gw") as made:
        yield made


async def test_erasing_answers_with_what_was_erased(client: httpx.AsyncClient, desk: SealingRig) -> None:
    answer = await client.post(PATH, json={"subject": "ada", "reason": "asked on 1 May"})

    told = answer.json()
    assert (answer.status_code, told["subject"], told["entries"], len(told["keys"])) == (200, "ada", 2, 1)
    assert (await desk.event_at(1))["user"]["name"] == ERASED
    assert (await client.post(PATH, json={"subject": "ada", "reason": "again"})).json() == {
        "subject": "ada", "keys": [], "entries": 0}


async def test_past_erasures_are_listed_newest_first(client: httpx.AsyncClient) -> None:
    for who in ("ada", "bob"):
        await client.post(PATH, json={"subject": who, "reason": f"{who} asked"})

    page = (await client.get(PATH)).json()
    older = (await client.get(f"{PATH}?before={page['items'][0]['seq']}")).json()

    assert [each["subject"] for each in page["items"]] == ["bob", "ada"]
    assert (page["items"][0]["reason"], page["items"][0]["by"], page["next"]) == ("bob asked", "steward-1", None)
    assert [each["subject"] for each in older["items"]] == ["ada"]


@pytest.mark.parametrize("payload", ["[]", "{}", "x", '{"grid":5,"event":{"action":"subject_erased"}}'])
async def test_a_damaged_erasure_does_not_hide_the_others(
    client: httpx.AsyncClient, desk: SealingRig, payload: str,
) -> None:
    done = [(await client.post(PATH, json={"subject": who, "reason": "asked"})).status_code for who in ("ada", "bob")]
    await desk.rig.attack("UPDATE audit_ledger.entries SET payload = $1::text::bytea WHERE seq = 4",
                          arguments=(payload,))

    page = (await client.get(PATH)).json()["items"]

    assert (done, [(each["seq"], each["subject"]) for each in page]) == ([200, 200], [(5, "bob"), (4, None)])


BODIES = (
    (b'{"subject": "nobody", "reason": "asked"}', 404), (b'{"subject": "ada"}', 422), (b"{}", 422), (b"[]", 422),
    (b'{"subject": "ada", "reason": ""}', 422), (b'{"subject": 7, "reason": "asked"}', 422),
    (b'{"subject": "ada", "reason": "asked", "dry_run": true}', 422), (b'{"subject": "", "reason": "asked"}', 422),
    (b'{"subject": "ada", "subject": "bob", "reason": "asked"}', 400), (b"", 400), (b"\xff", 400),
)


async def test_a_body_that_does_not_fit_erases_nobody(client: httpx.AsyncClient, desk: SealingRig) -> None:
    answers = [await client.post(PATH, content=body) for body, _ in BODIES]

    assert [each.status_code for each in answers] == [status for _, status in BODIES]
    assert all(each.json()["detail"] for each in answers)
    assert await desk.erasure.past(None, 10) == []


async def test_a_cursor_is_a_plain_number(client: httpx.AsyncClient) -> None:
    odd = ("x", "-1", "+1", "1_0", "", "9" * 19, "%EF%BC%91")

    assert [(await client.get(f"{PATH}?before={before}")).status_code for before in odd] == [400] * len(odd)
