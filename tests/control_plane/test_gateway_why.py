"""Why a decision was made: asked again of its own bundle, told to whom it concerns, and loud when it differs."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from control_plane.gateway.sealed_question import question_of
from control_plane.gateway.why import endpoints
from policy_engine.adapters.bundle_folder import BundleFolder
from policy_engine.adapters.regorus_evaluator import RegorusEvaluator
from policy_engine.domain.question import digest_of, to_document
from policy_engine.service import PolicyEngine
from policy_engine.service.explaining import Explainer
from shared_kernel.credentials import Credentials
from shared_kernel.principal import Principal
from tests.control_plane.gateway_city import START_US, City, Tokens, ask
from tests.frozen_clock import FrozenClock
from tests.policy_engine.house import SHIPPED, ListRecorder

VIEWER, ADMIN, AUDITOR = ({"Authorization": f"Bearer {name}"} for name in ("viewer", "admin", "auditor"))
METERS = "/api/v1/meters/M-1"


class Shelf:
    """Bundles by revision."""

    def __init__(self) -> None:
        self.bundles: dict[str, Any] = {}

    async def keep(self, bundle: Any) -> None:
        self.bundles[bundle.revision] = bundle

    async def find(self, revision: str) -> Any:
        return self.bundles.get(revision)


class Plane:
    """A gateway before the shipped policy, with the explainer."""

    def __init__(self, city: City, engine: PolicyEngine, shelf: Shelf) -> None:
        self.city, self.engine, self.shelf = city, engine, shelf
        self.city.more = (*city.more, *endpoints(city.ledger, Explainer(shelf, lambda: engine.bundle)))

    async def refused(self) -> str:
        """Return the id of a request that the viewer was refused."""
        told = await ask(self.city.gateway(), "GET", "/admin/users", headers=VIEWER)
        assert told.status == 403
        return told.headers["x-request-id"]

    async def why(self, request_id: str, headers: Any = VIEWER) -> Any:
        """Ask why."""
        return await ask(self.city.gateway(), "GET", f"/api/v1/decisions/{request_id}/why", headers=headers)

    def sealed(self, request_id: str) -> dict[str, Any]:
        """Return the sealed event, to be tampered with."""
        found: dict[str, Any] = next(event for event in self.city.ledger.events if event["event"]["id"] == request_id)
        return found


class ForTheApi(Tokens):
    """Tokens of an application that acts for its person."""

    async def authenticate(self, credentials: Credentials) -> Principal:
        return replace(await super().authenticate(credentials), scopes=frozenset({"api"}))


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    shelf = Shelf()
    engine = PolicyEngine(
        RegorusEvaluator(), BundleFolder(SHIPPED), ListRecorder(), FrozenClock(START_US), kept=shelf)
    await engine.start()
    yield Plane(City(policy=engine, identity=ForTheApi()), engine, shelf)
    await engine.close()


async def test_the_refused_person_learns_which_rules_held_and_what_would_turn_it(plane: Plane) -> None:
    told = await plane.why(await plane.refused())

    assert told.status == 200
    assert (told.json["agrees"], told.json["differences"], told.json["obstacle"]) == (True, [], None)
    rules = {rule["name"]: rule for rule in told.json["rules"]}
    assert (rules["signed_in"]["holds"], rules["rights"]["holds"]) == (True, False)
    assert "rights" in rules["decision"]["needs"]
    assert rules["rights"]["file"] == "gateway/permissions.rego"
    assert [change["words"] for change in told.json["changes"]] == ["with the role admin"]
    assert told.json["now"]["allow"] is False


async def test_an_allowed_person_learns_what_it_rests_on(plane: Plane) -> None:
    answer = await ask(plane.city.gateway(), "GET", "/admin/users", headers=ADMIN)

    told = await plane.why(answer.headers["x-request-id"], ADMIN)

    assert told.json["agrees"] is True
    assert [change["words"] for change in told.json["changes"]] == ["without the role admin", "at a risk of 100"]


@pytest.mark.parametrize(("headers", "status"), [(VIEWER, 200), (AUDITOR, 200), (ADMIN, 200), ({}, 401)])
async def test_ones_own_and_for_auditors_everybodys(plane: Plane, headers: dict[str, str], status: int) -> None:
    assert (await plane.why(await plane.refused(), headers)).status == status


async def test_somebody_elses_decision_is_not_there(plane: Plane) -> None:
    answer = await ask(plane.city.gateway(), "GET", "/admin/users", headers=ADMIN)

    other = await plane.why(answer.headers["x-request-id"])
    none = await plane.why("01a1ff22-0000-7000-8000-000000000000")

    assert (other.status, none.status) == (404, 404)
    assert other.json["detail"] == none.json["detail"]


@pytest.mark.parametrize(("part", "value", "said"), [
    ("allow", True, "sealed answer: True; asked again: False"), ("reasons", ["because I say so"], "sealed reasons"),
    ("obligations", {"notify": {"whom": "x", "why": "y"}}, "sealed obligations"), ("risk", 8, "digest differs"),
    ("purpose", "audit", "digest differs"),
])
async def test_a_decision_altered_afterwards_is_told_loudly(plane: Plane, part: str, value: Any, said: str) -> None:
    request_id = await plane.refused()
    plane.sealed(request_id)["grid"]["decision"][part] = value

    told = (await plane.why(request_id)).json

    assert told["agrees"] is False
    assert any(said in difference for difference in told["differences"])


async def test_roles_added_to_the_record_do_not_pass(plane: Plane) -> None:
    request_id = await plane.refused()
    plane.sealed(request_id)["user"]["roles"].append("admin")

    told = (await plane.why(request_id)).json

    assert told["agrees"] is False
    assert len(told["differences"]) == 3


async def test_a_bundle_that_is_gone_is_said_to_be(plane: Plane) -> None:
    request_id = await plane.refused()
    plane.shelf.bundles.clear()

    told = (await plane.why(request_id)).json

    assert (told["agrees"], told["replay"], told["rules"]) == (None, None, [])
    assert "is not kept any more" in told["obstacle"]
    assert told["now"]["allow"] is False


async def test_without_the_erased_address_nothing_is_guessed(plane: Plane) -> None:
    request_id = await plane.refused()
    del plane.sealed(request_id)["source"]["ip"]

    told = (await plane.why(request_id)).json

    assert told["agrees"] is None
    assert "was erased" in told["obstacle"]


async def test_what_no_policy_decided_says_so(plane: Plane) -> None:
    request_id = await plane.refused()
    del plane.sealed(request_id)["grid"]["question"]

    assert "no policy was asked" in (await plane.why(request_id)).json["obstacle"]


async def test_an_old_decision_is_asked_of_its_own_bundle_and_of_the_present_one(plane: Plane, tmp_path: Path) -> None:
    request_id = await plane.refused()
    data = orjson.loads((SHIPPED / "data.json").read_bytes())
    data["access"]["by_role"]["users.read"].append("grid_viewer")
    for file in (SHIPPED / "gateway").glob("*.rego"):
        (tmp_path / "gateway").mkdir(exist_ok=True)
        (tmp_path / "gateway" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "data.json").write_bytes(orjson.dumps(data))
    newer = BundleFolder(tmp_path).read()
    plane.city.more = endpoints(plane.city.ledger, Explainer(plane.shelf, lambda: newer))

    told = (await plane.why(request_id)).json

    assert (told["agrees"], told["replay"]["allow"], told["now"]["allow"]) == (True, False, True)
    assert told["now"]["revision"] == newer.revision != told["decision"]["revision"]


async def test_the_question_is_put_together_exactly_with_labels_and_purpose(plane: Plane) -> None:
    await ask(plane.city.gateway(), "GET", "/api/v1/readings/m-1", headers={**VIEWER, "Access-Purpose": "billing"},
              peer="::ffff:203.0.113.9")
    event = plane.city.ledger.events[-1]

    question = question_of(event)

    assert question is not None
    assert digest_of(to_document(question)) == event["grid"]["question"]["digest"]
    assert question.resource["columns"] == {"customer_id": "RESTRICTED"}
    assert question.context["source_ip"] == "203.0.113.9"
    assert len(orjson.dumps(event["grid"]["question"])) < 250
