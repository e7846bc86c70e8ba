"""The routes: what people see, start, approve and stop."""

from collections.abc import Awaitable, Callable
from pathlib import Path
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
from shared_kernel.principal import Principal
from soar_playbooks.http import endpoints
from tests.frozen_clock import FrozenClock
from tests.soar_playbooks.house import LOCK, QUARANTINE, City, city, person

_STATUSES = {"invalid-input": 400, "forbidden": 403, "not-found": 404, "conflict": 409, "unprocessable": 422}
START = f"/api/v1/playbooks/{QUARANTINE}/runs"


@pytest.fixture
def here(app_pool: asyncpg.Pool, clock: FrozenClock, tmp_path: Path) -> City:
    return city(app_pool, clock, tmp_path)


def _as(handler: Callable[[Any], Awaitable[Any]], who: Principal) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        put_context(request.scope, RequestContext("request-1", who, permit=1))
        answer: Response = await handler(request)
        return answer

    return serve


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, GridwardenError)
    return JSONResponse({"detail": error.detail}, _STATUSES[error.kind])


def client(here: City, name: str) -> httpx.AsyncClient:
    routes = [Route(e.path, _as(e.handler, person(name)), methods=[e.method]) for e in endpoints(here.responder)]
    app = Starlette(routes=routes, exception_handlers={GridwardenError: _problem})
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://soar")


async def test_the_list_shows_shipped_and_broken_playbooks(here: City) -> None:
    (here.folder / "broken.yml").write_text("name: other")
    async with client(here, "ana") as ana:
        listed = (await ana.get("/api/v1/playbooks")).json()

    found = {item["name"]: item for item in listed["items"]}
    assert set(found) == {LOCK, QUARANTINE, "broken"}
    assert found[QUARANTINE]["approval"] == "another-person"
    assert "missing" in found["broken"]["problem"]


async def test_a_run_is_started_approved_by_another_and_told(here: City) -> None:
    async with client(here, "ana") as ana, client(here, "bob") as bob:
        started = await ana.post(START, json={"targets": ["M-7"], "reason": "readings jump"})
        run_id = started.json()["run_id"]
        own = await ana.post(f"/api/v1/playbooks/runs/{run_id}/approve", json={"comment": "me"})
        seen = (await bob.get(f"/api/v1/playbooks/runs/{run_id}")).json()
        granted = await bob.post(
            f"/api/v1/playbooks/runs/{run_id}/approve", json={"comment": "yes", "plan_hash": seen["plan"]["hash"]},
        )
        again = await bob.post(f"/api/v1/playbooks/runs/{run_id}/approve", json={})
        await here.work_off(run_id)
        told = (await ana.get(f"/api/v1/playbooks/runs/{run_id}")).json()

    assert [started.status_code, own.status_code, granted.status_code, again.status_code] == [201, 403, 200, 409]
    assert "another person must" in own.json()["detail"]
    assert told["status"] == "done"
    assert told["approval"]["decided_by_name"] == "bob"
    assert [line["what"] for line in told["journal"]] == [
        "opened:waiting_approval", "approval:granted", "intent", "done", "finished:done",
    ]
    assert here.ledger.events[2]["user"]["name"] == "bob"


async def test_a_run_is_denied(here: City) -> None:
    async with client(here, "ana") as ana, client(here, "bob") as bob:
        run_id = (await ana.post(START, json={"targets": ["M-7"], "reason": "jumps"})).json()["run_id"]
        denied = await bob.post(f"/api/v1/playbooks/runs/{run_id}/deny", json={"comment": "no"})

    assert denied.json()["status"] == "denied"


async def test_runs_are_listed_newest_first_in_pages(here: City) -> None:
    async with client(here, "ana") as ana:
        for n in range(3):
            await ana.post(START, json={"targets": [f"M-{n}"], "reason": "jumps"})
        first = (await ana.get("/api/v1/playbooks/runs?limit=2")).json()
        second = (await ana.get(f"/api/v1/playbooks/runs?limit=2&before={first['next']}")).json()

    assert [run["targets"] for run in first["items"] + second["items"]] == [["M-2"], ["M-1"], ["M-0"]]
    assert second["next"] is None


async def test_the_kill_switch_is_turned_and_shown(here: City) -> None:
    async with client(here, "ana") as ana:
        turned = await ana.post("/api/v1/playbooks/kill-switch", json={"on": True, "reason": "drill"})
        refused = await ana.post(START, json={"targets": ["M-7"], "reason": "jumps"})
        listed = (await ana.get("/api/v1/playbooks")).json()

    assert turned.status_code == 200
    assert refused.status_code == 409
    assert listed["kill_switches"][0]["scope"] == "global"


@pytest.mark.parametrize(("path", "body", "status"), [
    (START, {"targets": [], "reason": "jumps"}, 422),
    (START, {"targets": ["M-7"]}, 422),
    (START, {"targets": ["M-7"], "reason": "jumps", "force": True}, 422),
    (START, {"targets": [f"M-{n}" for n in range(6)], "reason": "jumps"}, 422),
    ("/api/v1/playbooks/nothing/runs", {"targets": ["M-7"], "reason": "jumps"}, 404),
    ("/api/v1/playbooks/runs/nothing/approve", {}, 404),
    ("/api/v1/playbooks/runs/a%00b/approve", {}, 404),
    (START, {"targets": ["M-7"], "reason": "jumps\x00"}, 422),
    ("/api/v1/playbooks/kill-switch", {"on": True, "reason": "drill", "scope": "playbook:a\x00"}, 400),
    ("/api/v1/playbooks/kill-switch", {"on": "yes", "reason": "drill"}, 422),
    ("/api/v1/playbooks/kill-switch", {"on": True, "reason": "drill", "scope": "moon"}, 400),
])
async def test_what_is_not_understood_is_refused(here: City, path: str, body: dict[str, Any], status: int) -> None:
    async with client(here, "ana") as ana:
        answer = await ana.post(path, json=body)

    assert answer.status_code == status


@pytest.mark.parametrize("query", ["limit=0", "limit=many", "limit=201", "before=-1"])
async def test_a_page_that_is_no_number_is_refused(here: City, query: str) -> None:
    async with client(here, "ana") as ana:
        answer = await ana.get(f"/api/v1/playbooks/runs?{query}")

    assert answer.status_code == 400
