"""Publishing over HTTP: a signed bundle stands, anything else is refused in a sentence and sealed."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from functools import partial

import asyncpg
import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from policy_engine.adapters.bundle_archive import packed
from policy_engine.adapters.bundle_building import built
from policy_engine.adapters.regorus_evaluator import RegorusEvaluator
from policy_engine.domain.bundle import Bundle
from policy_engine.domain.bundle_signature import VerificationKey
from policy_engine.http.bundles import bundle_endpoints
from policy_engine.service.membership import steady_us
from policy_engine.service.publishing import Publisher
from policy_engine.store.bundle_channel import BundleChannel
from shared_kernel.errors import GridwardenError
from tests.conftest import START_US
from tests.frozen_clock import FrozenClock
from tests.policy_engine.authors import Author, private_key, rules
from tests.policy_engine.house import ListRecorder, bundle_of

PATH = "/api/v1/policy/bundles"
AUTHOR = Author(private_key())


async def _problem(_: Request, error: Exception) -> Response:
    kind = error.kind if isinstance(error, GridwardenError) else "internal"
    return JSONResponse({"kind": kind, "detail": str(error)}, status_code=400)


def client_of(pool: asyncpg.Pool, key: VerificationKey | None, recorder: ListRecorder) -> httpx.AsyncClient:
    """Return a client of a gateway that trusts a key."""
    publisher = Publisher(BundleChannel(pool, steady_us), key, RegorusEvaluator, recorder, FrozenClock(START_US))
    routes = [Route(e.path, e.handler, methods=[e.method]) for e in bundle_endpoints(publisher)]
    app = Starlette(routes=routes, exception_handlers={GridwardenError: _problem})
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.fixture
def recorder() -> ListRecorder:
    """Return a ledger that keeps a list."""
    return ListRecorder()


@pytest.fixture
async def client(app_pool: asyncpg.Pool, recorder: ListRecorder) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of a gateway that trusts the author."""
    async with client_of(app_pool, AUTHOR.verification, recorder) as client:
        yield client


async def test_a_signed_bundle_is_published_once_it_is_sealed(
        client: httpx.AsyncClient, recorder: ListRecorder) -> None:
    answer = await client.post(PATH, content=AUTHOR.archive(rules(2), 2))
    listed = (await client.get(PATH)).json()

    assert answer.status_code == 201
    assert answer.json()["name"] == "build 2"
    assert listed == {"items": [answer.json()], "next": None}
    assert recorder.actions == ["policy_published"]
    assert answer.json()["active_from"] > answer.json()["published_at"]


async def test_others_are_answered_while_a_large_bundle_is_looked_at(client: httpx.AsyncClient) -> None:
    bindings = {"role_bindings": {f"u-{number:08d}": ["analyst"] for number in range(60_000)}}
    bundle = rules(2)
    archive = AUTHOR.archive(Bundle({**bundle.files, "data.json": json.dumps(bindings).encode()}), 2)
    publishing = asyncio.create_task(client.post(PATH, content=archive))
    begun = last = time.perf_counter()
    longest = 0.0

    while not publishing.done():
        await asyncio.sleep(0.005)
        longest, last = max(longest, time.perf_counter() - last), time.perf_counter()

    assert (await publishing).status_code == 201
    assert longest < (last - begun) / 2


NO = 'default decision := {"allow": false, "reasons": ["no"], "obligations": {}, "ttl_s": 0}\n'
PERMISSIVE = 'decision := {"allow": true, "reasons": ["all"], "obligations": {}, "ttl_s": 0}'
DANGEROUS = {
    r"http\.send": 'x := http.send({"method": "get", "url": "http://192.0.2.1"})',
    r"opa\.runtime": "x := opa.runtime()",
    r"net\.lookup_ip_addr": 'x := net.lookup_ip_addr("example.org")',
    r"p\.rego.*http\.send": "g(x) := x\nx if { g(1) with g as http.send }",
    "it sends requests from inside a decision": 'x := http["send"]({})',
    r"ai\.ask": 'x := ai.ask("may they?")',
    "must refuse a stranger": PERMISSIVE,
}
REFUSED: dict[str, Callable[[], bytes]] = {
    "gzip stream is cut off": lambda: AUTHOR.archive(rules(2), 2)[:-40],
    "is not one of the key": lambda: Author(private_key()).archive(rules(2), 2),
    "it is not signed": lambda: packed(built(rules(2), built_at_us=2)),
    "built in the future": lambda: AUTHOR.archive(rules(2), START_US + 10**10),
    "could not be evaluated": lambda: AUTHOR.archive(Bundle({"a.rego": b"package gateway\n"}), 2),
    **{why: partial(AUTHOR.archive, bundle_of(rego if rego == PERMISSIVE else NO + rego), 2)
       for why, rego in DANGEROUS.items()},
}


@pytest.mark.parametrize("why", REFUSED)
async def test_what_must_not_decide_is_never_published(
        why: str, client: httpx.AsyncClient, recorder: ListRecorder) -> None:
    answer = await client.post(PATH, content=REFUSED[why]())

    assert answer.json()["kind"] == "unprocessable"
    assert re.search(why, answer.json()["detail"])
    assert (await client.get(PATH)).json()["items"] == []
    assert recorder.actions == ["policy_refused"]


async def test_a_ledger_that_is_away_stops_a_publication(client: httpx.AsyncClient, recorder: ListRecorder) -> None:
    recorder.down = True

    answer = await client.post(PATH, content=AUTHOR.archive(rules(2), 2))

    assert answer.json()["kind"] == "unavailable"
    assert (await client.get(PATH)).json()["items"] == []


async def test_an_older_bundle_is_not_published(client: httpx.AsyncClient) -> None:
    await client.post(PATH, content=AUTHOR.archive(rules(5), 5))

    answer = await client.post(PATH, content=AUTHOR.archive(rules(4), 4))

    assert "brought back an old bundle" in answer.json()["detail"]


async def test_without_a_key_nothing_is_published(app_pool: asyncpg.Pool, recorder: ListRecorder) -> None:
    async with client_of(app_pool, None, recorder) as client:
        answer = await client.post(PATH, content=AUTHOR.archive(rules(2), 2))

    assert answer.json()["kind"] == "conflict"
    assert "GRIDWARDEN_POLICY_VERIFICATION_KEY" in answer.json()["detail"]
