"""The ledger over HTTP, behind a wrapper that stands in for the gateway."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audit_ledger.domain.c2sp.checkpoint import open_checkpoint
from audit_ledger.domain.c2sp.tlog_proof import TlogProof
from audit_ledger.domain.entry import hasher
from audit_ledger.domain.merkle import folded
from audit_ledger.domain.proofs import proves_inclusion
from audit_ledger.http.routes import endpoints
from audit_ledger.service import Ledger
from shared_kernel.context import RequestContext, put_context
from shared_kernel.errors import GridwardenError, InvalidInputError, NotFoundError
from shared_kernel.principal import Principal, PrincipalKind
from tests.audit_ledger.rig import Rig
from tests.conftest import START_US

STATUS = {InvalidInputError: 400, NotFoundError: 404}
AUDITOR = Principal("auditor-1", "ida", PrincipalKind.PERSON, roles=frozenset({"auditor"}))


async def rendered(_request: Request, error: Exception) -> Response:
    status = next((code for family, code in STATUS.items() if isinstance(error, family)), 500)
    return JSONResponse({"detail": str(error)}, status)


def mounted(ledger: Ledger, rig: Rig) -> Any:
    routes = [Route(each.path, each.handler, methods=[each.method]) for each in endpoints(ledger, rig.clock)]
    inner = Starlette(routes=routes, exception_handlers={GridwardenError: rendered})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        put_context(scope, RequestContext("request-9", principal=AUDITOR))
        await inner(scope, receive, send)

    return app


@pytest.fixture
async def ledger(rig: Rig) -> AsyncIterator[Ledger]:
    made = rig.ledger()
    await made.start()
    for number in range(1, 30):
        await made.record(rig.event(number))
    await made.publish_checkpoint()
    yield made
    await made.stop()


@pytest.fixture
async def client(ledger: Ledger, rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(mounted(ledger, rig)), base_url="http://gw") as made:
        yield made


async def test_the_head_is_the_last_receipt(client: httpx.AsyncClient, ledger: Ledger) -> None:
    answer = await client.get("/api/v1/ledger/head")

    assert answer.json() == {"size": 30, "entry_hash": ledger.head().entry_hash.hex()}


async def test_entries_come_in_order_with_a_cursor(client: httpx.AsyncClient) -> None:
    first = (await client.get("/api/v1/ledger/entries?after=20&limit=6")).json()
    second = (await client.get(f"/api/v1/ledger/entries?after={first['next']}&limit=6")).json()

    assert [item["seq"] for item in first["items"] + second["items"]] == list(range(20, 30))
    assert second["next"] is None


async def test_entries_come_newest_first_without_a_start(client: httpx.AsyncClient) -> None:
    first = (await client.get("/api/v1/ledger/entries?limit=20")).json()
    second = (await client.get(f"/api/v1/ledger/entries?before={first['next']}&limit=20")).json()

    assert [item["seq"] for item in first["items"] + second["items"]] == list(range(29, -1, -1))
    assert second["next"] is None


async def test_an_entry_is_proven_under_the_signed_checkpoint(client: httpx.AsyncClient, rig: Rig) -> None:
    note = (await client.get("/api/v1/ledger/checkpoint")).content
    signed = open_checkpoint(note, rig.signer.name, rig.signer.verifier)
    proof = (await client.get(f"/api/v1/ledger/entries/7/proof?size={signed.size}")).json()
    entry = (await client.get("/api/v1/ledger/entries/7")).json()

    path = [bytes.fromhex(step) for step in proof["path"]]
    assert proves_inclusion(bytes.fromhex(entry["entry_hash"]), 7, signed.size, path, signed.root)
    assert entry["event"]["http"]["request"]["id"] == "request-7"


async def test_a_receipt_is_a_proof_to_keep(client: httpx.AsyncClient, rig: Rig) -> None:
    entry = (await client.get("/api/v1/ledger/entries/7")).json()
    proof = TlogProof.parse((await client.get("/api/v1/ledger/entries/7/receipt")).content)

    signed = open_checkpoint(proof.checkpoint, rig.signer.name, rig.signer.verifier)
    leaf = hasher(rig.signer.name)(
        bytes.fromhex(entry["prev_hash"]), 7, START_US, base64.b64decode(entry["payload"]))
    assert proves_inclusion(leaf, proof.index, signed.size, proof.path, signed.root)


@pytest.mark.parametrize(("path", "status"), [
    ("entries/999/receipt", 404), ("entries/999", 404), ("entries/-1", 400), ("entries/+1", 400), ("entries/1_0", 400),
    ("entries/%EF%BC%91", 400), ("entries?limit=x", 400), ("entries/0/proof?size=999", 404),
    ("entries/999/proof", 404), ("consistency?old=9&new=5", 404),
])
async def test_what_is_wrong_is_said(client: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await client.get(f"/api/v1/ledger/{path}")

    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)


async def test_verification_reports_and_seals_who_asked(client: httpx.AsyncClient, ledger: Ledger) -> None:
    before = (await client.get("/api/v1/ledger/verify")).json()
    report = (await client.post("/api/v1/ledger/verify")).json()
    after = (await client.get("/api/v1/ledger/verify")).json()

    assert (before["state"], after["state"], after["report"]) == ("none", "done", report)
    assert (report["verdict"], report["size"], report["findings"]) == ("good", 30, [])
    [sealed] = await ledger.find(action="ledger_verified")
    assert (sealed.event["user"]["id"], sealed.event["event"]["outcome"]) == ("auditor-1", "success")


async def test_a_verification_that_nobody_waits_for_is_followed_by_asking(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/ledger/verify", headers={"prefer": "respond-async"})
    async with asyncio.timeout(20):
        while (state := (await client.get(answer.headers["location"])).json())["state"] != "done":  # noqa: ASYNC110 - a client can only ask
            await asyncio.sleep(0.01)

    assert (answer.status_code, state["report"]["verdict"]) == (202, "good")


async def test_the_tree_is_the_peaks_that_fold_into_the_root(client: httpx.AsyncClient) -> None:
    tree = (await client.get("/api/v1/ledger/tree?size=30")).json()

    assert [(peak["level"], peak["first"], peak["last"]) for peak in tree["peaks"]] == [
        (4, 0, 15), (3, 16, 23), (2, 24, 27), (1, 28, 29)]
    assert folded([bytes.fromhex(peak["hash"]) for peak in tree["peaks"]]).hex() == tree["root"]
