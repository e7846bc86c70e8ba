"""The policy engine's routes: which policy decides, what it would say, a subject made unknown."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from policy_engine.adapters.bundle_folder import BundleFolder
from policy_engine.adapters.regorus_evaluator import RegorusEvaluator
from policy_engine.http import endpoints
from policy_engine.service import PolicyEngine, RiskFeatures, RiskScorer
from policy_engine.service.explaining import Explainer
from policy_engine.store.kept_bundles import KeptBundles
from policy_engine.store.risk_history import RiskHistoryStore
from shared_kernel.errors import GridwardenError
from tests.frozen_clock import FrozenClock
from tests.policy_engine.house import SHIPPED, ListRecorder, question


async def _problem(_: Request, error: Exception) -> Response:
    kind = error.kind if isinstance(error, GridwardenError) else "internal"
    return JSONResponse({"kind": kind, "detail": str(error)}, status_code=400)


@pytest.fixture
def scorer(app_pool: asyncpg.Pool) -> RiskScorer:
    """Return a scorer on a fresh database."""
    return RiskScorer(RiskHistoryStore(app_pool))


@pytest.fixture
async def client(app_pool: asyncpg.Pool, scorer: RiskScorer, clock: FrozenClock) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of the routes."""
    kept = KeptBundles(app_pool)
    engine = PolicyEngine(RegorusEvaluator(), BundleFolder(SHIPPED), ListRecorder(), clock, kept=kept)
    await engine.start()
    explainer = Explainer(kept, lambda: engine.bundle)
    routes = [Route(e.path, e.handler, methods=[e.method]) for e in endpoints(engine, scorer, explainer)]
    app = Starlette(routes=routes, exception_handlers={GridwardenError: _problem})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client
    await engine.close()


def _asked(**changes: Any) -> dict[str, Any]:
    asked = question("alerts.read")
    return {"subject": {**asked.subject, "roles": list(asked.subject["roles"])}, "action": asked.action,
            "resource": asked.resource, "context": asked.context} | changes


async def test_the_policy_that_decides_is_shown(client: httpx.AsyncClient) -> None:
    shown = (await client.get("/api/v1/policy")).json()

    assert shown == {"revision": BundleFolder(SHIPPED).read().revision, "evaluator": "regorus",
                     "loaded_at": "2026-11-18T11:06:40.000000Z", "refused": None, "name": "", "built_at": None,
                     "sequence": None, "version": 0, "stale": None}


async def test_a_question_can_be_tried(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/api/v1/policy/evaluate", json=_asked())).json()

    assert answer["allow"] is False
    assert answer["reasons"] == ["alerts.read needs one of the roles admin, auditor, soc_analyst; yours: grid_viewer"]


@pytest.mark.parametrize(("body", "kind"), [
    ("{", "invalid-input"), ('{"action": "a.b", "action": "c.d"}', "invalid-input"), ("{}", "unprocessable"),
    ("[]", "unprocessable"),
])
async def test_a_question_that_is_none_is_refused(client: httpx.AsyncClient, body: str, kind: str) -> None:
    assert (await client.post("/api/v1/policy/evaluate", content=body)).json()["kind"] == kind


async def test_a_question_with_a_malformed_attribute_is_refused_by_name(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/policy/evaluate", json=_asked(context={**question().context, "risk": "low"}))

    assert "context.risk" in answer.json()["detail"]


async def test_a_subject_is_made_unknown(client: httpx.AsyncClient, scorer: RiskScorer) -> None:
    features = RiskFeatures("ana", "198.51.100.7", "curl/8", 0)
    for _ in range(30):
        scorer.observe(features)

    answer = await client.delete("/api/v1/policy/risk/ana")

    assert answer.status_code == 204
    assert scorer.score(features).value == 40


async def test_what_is_usual_for_a_subject_is_shown(client: httpx.AsyncClient, scorer: RiskScorer) -> None:
    for number in range(30):
        scorer.observe(RiskFeatures("ana", "198.51.100.7", "curl/8", number * 60_000_000, "meters.read"))

    known = (await client.get("/api/v1/policy/risk/ana")).json()
    stranger = (await client.get("/api/v1/policy/risk/nobody")).json()

    assert known["requests"] == 30
    assert known["is_familiar"] is True
    assert known["usual"]["action"] == [{"value": "meters.read", "seen": 30}]
    assert known["scored_by"] == "no trained model: histories alone decide"
    assert (stranger["requests"], stranger["is_familiar"], stranger["usual"]) == (0, False, {})


async def test_what_scores_is_shown(client: httpx.AsyncClient, scorer: RiskScorer) -> None:
    scorer.observe(RiskFeatures("ana", "198.51.100.7", "curl/8", 0))

    shown = (await client.get("/api/v1/policy/risk")).json()

    assert shown == {
        "scored_by": "no trained model: histories alone decide",
        "model": {"digest": None, "trained_at": None, "samples": 0, "refused": None},
        "countries": False, "subjects": 1, "requests": 1, "drift": {}, "shifted": [],
    }


async def test_every_route_names_an_action_the_shipped_policy_knows(
    app_pool: asyncpg.Pool, clock: FrozenClock, scorer: RiskScorer,
) -> None:
    engine = PolicyEngine(RegorusEvaluator(), BundleFolder(SHIPPED), ListRecorder(), clock)
    access = BundleFolder(SHIPPED).read().data["access"]

    explainer = Explainer(KeptBundles(app_pool), lambda: None)
    actions = {endpoint.action for endpoint in endpoints(engine, scorer, explainer)}

    assert actions <= access["by_role"].keys() | access["signed_in"].keys() | access["any_scope"].keys()


async def test_a_question_is_put_to_two_revisions(client: httpx.AsyncClient) -> None:
    revision = (await client.get("/api/v1/policy")).json()["revision"]

    answer = (await client.post("/api/v1/policy/evaluate", json=_asked(bundle=revision))).json()

    assert answer["compared"] == {**{name: answer[name] for name in answer if name != "compared"}, "same": True}


async def test_a_revision_nobody_kept_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/policy/evaluate", json=_asked(bundle="0" * 64))

    assert answer.json()["kind"] == "not-found"
