"""What enforcement points of others are told: the decisions of our own policy about our own people."""

from typing import Any

import pytest

from policy_engine.domain.decision import Decision
from policy_engine.http.authzen.answers import from_decision
from tests.policy_engine.authzen.authzen_city import READINGS, Asking, about

MASKS = {"obligations": ["mask"]}


async def test_a_known_person_is_decided_about_with_identity_s_roles(pdp: Asking) -> None:
    allowed = await pdp.evaluate(about("alice@example.com", context=MASKS))
    denied = await pdp.evaluate(about("bob@example.com", context=MASKS))

    assert allowed["decision"] is True
    assert allowed["context"]["obligations"] == [{"id": "mask", "mask": {"columns": ["customer_id"]}}]
    assert allowed["context"]["revision"] == pdp.city.policy.revision
    assert denied["decision"] is False
    assert "yours: auditor" in denied["context"]["reason"]


async def test_roles_that_an_enforcement_point_claims_count_for_nothing(pdp: Asking) -> None:
    known = await pdp.evaluate(about("bob@example.com", context=MASKS, roles=["admin", "grid_viewer"]))
    unknown = await pdp.evaluate(about("mallory", context=MASKS, roles=["admin"], scopes=["api"]))

    assert (known["decision"], unknown["decision"]) == (False, False)
    assert any("roles come from identity" in reason for reason in known["context"]["reasons"])
    assert any("no user 'mallory' is known here" in reason for reason in unknown["context"]["reasons"])


async def test_an_application_without_the_scope_api_can_only_do_less(pdp: Asking) -> None:
    less = await pdp.evaluate(about(context=MASKS, scopes=["openid"]))
    not_more = await pdp.evaluate(about("bob@example.com", context=MASKS, scopes=["api", "admin"]))

    assert (less["decision"], not_more["decision"]) == (False, False)
    assert any("lacks the scope api" in reason for reason in less["context"]["reasons"])


async def test_a_locked_account_is_denied_everything(pdp: Asking) -> None:
    answer = await pdp.evaluate(about("lena", "catalog.read", "platform:any"))

    assert answer["decision"] is False
    assert answer["context"]["error"] == {"status": 403, "message": "the account of lena is locked or not verified yet"}


async def test_a_service_is_decided_about_by_its_client_id(pdp: Asking) -> None:
    asked = {"subject": {"type": "service", "id": "meter-feed"}, "action": {"name": "ingest.write"},
             "resource": {"type": "platform", "id": "gridwarden"}}

    assert (await pdp.evaluate(asked))["decision"] is True


async def test_an_obligation_nobody_carries_out_is_a_no(pdp: Asking) -> None:
    answer = await pdp.evaluate(about())

    assert answer["decision"] is False
    assert "only with the obligation mask" in answer["context"]["reason"]
    assert answer["context"]["obligations"][0]["id"] == "mask"


def test_a_step_up_is_told_as_the_specification_tells_it() -> None:
    decision = Decision(
        allow=True, reasons=("ok",), revision="r", ttl_s=0, obligations={
            "step_up": {"acr": "urn:gridwarden:acr:mfa", "max_age": 300}, "notify": {"whom": "security", "why": "x"}})

    refused = from_decision(decision, fulfils=frozenset(), notes=())
    carried_out = from_decision(decision, fulfils=frozenset({"step_up"}), notes=())

    assert (refused.allow, carried_out.allow) == (False, True)
    assert refused.context["acr_values"] == "urn:gridwarden:acr:mfa"
    assert refused.context["max_age"] == 300


async def test_a_route_is_asked_about_by_method_and_path(pdp: Asking) -> None:
    answers = {(method, path): (await pdp.evaluate(about(action=method, resource=f"route:{path}", context=MASKS)))
               for method, path in (("GET", "/api/v1/meters"), ("GET", "/api/v1/users"), ("GET", "/api/v1/users/7"),
                                    ("DELETE", "/api/v1/meters"), ("GET", "/api/v1/nothing"), ("get", "/api/v1/meters"),
                                    ("GET", "/api/v1%2fmeters"), ("GET", "//api/v1/meters"), ("GET", "meters"))}

    assert [key for key, answer in answers.items() if answer["decision"]] == [("GET", "/api/v1/meters")]
    assert answers["GET", "/api/v1%2fmeters"]["context"]["error"]["status"] == 400
    assert answers["GET", "/api/v1/nothing"]["context"]["error"]["status"] == 404
    assert "users.read" in answers["GET", "/api/v1/users/7"]["context"]["reason"]


async def test_nobody_can_vouch_that_a_request_comes_from_this_machine(pdp: Asking) -> None:
    local = {"ip_address": "127.0.0.1", "loopback": True}

    answer = await pdp.evaluate(about("bob@example.com", "GET", "route:/metrics", context=local))

    assert answer["decision"] is False
    assert "this machine only" in "".join(answer["context"]["reasons"])


async def test_a_purpose_opens_what_it_opens_to_our_own_requests(pdp: Asking) -> None:
    asked = about("carol", "customers.read", "dataset:grid.customers")

    without = await pdp.evaluate(asked)
    stated = await pdp.evaluate(asked | {"context": {"purpose": "billing", "obligations": ["watermark"]}})

    assert (without["decision"], stated["decision"]) == (False, True), stated


@pytest.mark.parametrize(("score", "stated", "is_told", "allow"), [
    (0, 0, True, True), (90, 0, True, False), (90, 0, False, True), (0, 90, False, False), (90, 1, True, False),
    (None, 0, True, False), (101, 0, True, False), (True, 0, True, False),
])
async def test_risk_is_ours_and_what_is_stated_only_raises_it(
    pdp: Asking, score: Any, stated: int, is_told: bool, allow: bool,  # noqa: FBT001 - a table's columns
) -> None:
    pdp.risk.value = score
    context = MASKS | {"risk": stated} | ({"ip_address": "203.0.113.9", "user_agent": "curl"} if is_told else {})

    answer = await pdp.evaluate(about(context=context))

    assert answer["decision"] is allow
    assert len(pdp.risk.asked) == int(is_told)


async def test_other_types_are_decided_by_actions_the_bundle_names_for_them(pdp: Asking) -> None:
    answers = [(await pdp.evaluate(about(action=action, resource=resource)))["decision"] for action, resource in (
        ("can_read", "account:123"), ("can_delete", "account:123"), ("can_read", "unicorn:1"),
        ("users.read", "account:1"), ("read", "external:1"), ("can-read", "account:1"))]

    assert answers == [True, False, False, False, False, False]


@pytest.mark.parametrize(("changes", "status"), [
    ({"subject": {"type": "robot", "id": "r2"}}, 404), ({"resource": {"type": "dataset", "id": "grid.nothing"}}, 404),
    ({"action": {"name": "read"}}, 400), ({"action": {"name": "Meters.read"}}, 400),
    ({"context": {"ip_address": "not-an-ip"}}, 400), ({"context": {"ip_address": "0177.0.0.1"}}, 400),
    ({"context": {"ip_address": 7}}, 400), ({"context": {"time": "yesterday"}}, 400),
    ({"context": {"time": "2026-11-21T10:00:00"}}, 400), ({"context": {"time": "0001-01-01T00:00:00+14:00"}}, 400),
    ({"context": {"risk": "low"}}, 400), ({"context": {"risk": -1}}, 400), ({"context": {"risk": True}}, 400),
    ({"context": {"purpose": "audit\u0000"}}, 400), ({"context": {"purpose": ["audit"]}}, 400),
    ({"context": {"obligations": "mask"}}, 400), ({"context": {"obligations": [["mask"]]}}, 400),
    ({"subject": {"type": "user", "id": "alice@example.com", "properties": {"scopes": "api"}}}, 400),
])
async def test_what_no_policy_may_rely_on_is_denied_with_the_reason(
    pdp: Asking, changes: dict[str, Any], status: int,
) -> None:
    answer = await pdp.evaluate(about(context=MASKS) | changes)

    assert answer["decision"] is False
    assert answer["context"]["error"]["status"] == status
    assert answer["context"]["error"]["message"]


@pytest.mark.parametrize(("semantic", "decisions"), [
    ("execute_all", [True, False, True]), ("deny_on_first_deny", [True, False]), ("permit_on_first_permit", [True]),
    (None, [True, False, True]),
])
async def test_each_semantic_ends_where_it_ends(pdp: Asking, semantic: str | None, decisions: list[bool]) -> None:
    asked: dict[str, Any] = {
        "subject": {"type": "user", "id": "alice@example.com"}, "action": {"name": "can_read"},
        "evaluations": [{"resource": {"type": kind, "id": "1"}} for kind in ("account", "unicorn", "book")],
    }
    if semantic:
        asked["options"] = {"evaluations_semantic": semantic}

    told = (await pdp.post("/access/v1/evaluations", asked)).json

    assert [one["decision"] for one in told["evaluations"]] == decisions
    assert "decision" not in told


async def test_defaults_are_replaced_whole_and_only_where_an_entry_says_so(pdp: Asking) -> None:
    asked = about("bob@example.com", "can_read", "account:1", context={"obligations": []}) | {"evaluations": [
        {}, {"subject": {"type": "user", "id": "alice@example.com"}}, {"subject": {"type": "user", "id": "alice"}},
        {"subject": {"type": "user", "id": "alice@example.com"}, "context": {"risk": 95}},
    ]}

    told = (await pdp.post("/access/v1/evaluations", asked)).json

    assert [one["decision"] for one in told["evaluations"]] == [False, True, False, False]


@pytest.mark.parametrize("extra", [{}, {"evaluations": []}])
async def test_evaluations_without_entries_are_one_evaluation(pdp: Asking, extra: dict[str, Any]) -> None:
    told = (await pdp.post("/access/v1/evaluations", about(action="can_read", resource="book:1") | extra)).json

    assert told["decision"] is True


async def test_an_answer_is_sealed_with_its_questions_before_it_is_given(pdp: Asking) -> None:
    asked = about(context=MASKS)

    told = await pdp.post("/access/v1/evaluation", asked, headers={"x-request-id": "pep-7"})

    [call] = pdp.sealed("access_decision")
    [event] = pdp.sealed("access_evaluated")
    assert event["user"]["id"] == "client-pep"
    assert event["http"]["request"]["id"] == call["http"]["request"]["id"] == told.headers["gridwarden-request-id"]
    sealed = event["grid"]["evaluation"]
    assert (sealed["asked"], sealed["allowed"], sealed["pep_request_id"], sealed["permit"]) == (1, 1, "pep-7", 0)
    assert sealed["answers"][0] | {"reason": ""} == {
        "subject": "user:alice@example.com", "action_name": "meters.read", "resource": READINGS, "allow": True,
        "reason": ""}
    assert len(sealed["sha256"]) == 64
