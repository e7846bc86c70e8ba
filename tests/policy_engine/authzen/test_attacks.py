"""Malformed, huge and unauthorized calls: 400, 401, 403, 413 or 415 with a sentence, never a 5xx, never a yes."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_kernel.errors import UnavailableError
from shared_kernel.events import Event
from tests.control_plane.gateway_city import ask
from tests.policy_engine.authzen.authzen_city import Asking, about

PATHS = ("/access/v1/evaluation", "/access/v1/evaluations", "/access/v1/search/subject", "/access/v1/search/resource",
         "/access/v1/search/action")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["subject", "action", "resource", "context", "type", "id", "name", "properties", "evaluations", "options",
         "evaluations_semantic", "page", "token", "limit", "time", "risk", "ip_address", "scopes"]), inner, max_size=5),
    max_leaves=20)


def _token(path: str) -> str:
    return "pep_search" if "search" in path else "pep"


BROKEN: list[bytes] = [
    b"", b"{", b"[]", b'"text"', b"null", b"7", b"NaN", b"\xff\xfe", b"\xef\xbb\xbf{}", b"[" * 100_000,
    b'{"a":' * 70 + b"1" + b"}" * 70, b'{"subject": {}, "subject": {}}', b"{}",
    b'{"subject": {"type": "user", "id": "a", "id": "b"}, "action": {"name": "x"}, "resource": {"type": "a"}}',
    b'{"a": 1e999}', b'{"a": "\\ud800"}',
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
async def test_a_body_that_is_no_request_is_400_with_a_sentence(pdp: Asking, path: str, body: bytes) -> None:
    told = await pdp.post(path, body, token=_token(path), headers={"x-request-id": "r-1"})

    assert told.status == 400
    assert told.json["detail"]
    assert told.headers["x-request-id"] == "r-1"


@pytest.mark.parametrize("changes", [
    {"subject": None}, {"subject": "alice"}, {"subject": {"type": "user"}}, {"subject": {"id": "alice"}},
    {"subject": {"type": 1, "id": "a"}}, {"subject": {"type": "user", "id": ["a"]}},
    {"subject": {"type": "user", "id": "a" * 1_025}}, {"subject": {"type": "user", "id": "a\u0000b"}},
    {"subject": {"type": "user", "id": "a", "properties": []}}, {"subject": {"type": "user", "id": None}},
    {"action": {}}, {"action": "read"}, {"action": {"name": 7}}, {"action": {"name": "a", "properties": 1}},
    {"resource": {"type": "a"}}, {"resource": []}, {"context": []}, {"context": None},
])
async def test_a_member_of_another_type_is_400_and_named(pdp: Asking, changes: dict[str, Any]) -> None:
    told = await pdp.post("/access/v1/evaluation", about() | changes)

    assert told.status == 400
    assert next(iter(changes)) in told.json["detail"]


@pytest.mark.parametrize("extra", [
    {"evaluations": {}}, {"evaluations": "all"}, {"evaluations": [1]}, {"evaluations": [{"subject": 1}]},
    {"evaluations": [{}] * 201}, {"options": []}, {"options": {"evaluations_semantic": "allow_all"}},
    {"options": {"evaluations_semantic": ["execute_all"]}}, {"evaluations": [{}], "options": None},
])
async def test_odd_evaluations_are_400(pdp: Asking, extra: dict[str, Any]) -> None:
    assert (await pdp.post("/access/v1/evaluations", about() | extra)).status == 400


async def test_as_many_evaluations_as_are_taken_are_answered_and_more_bytes_are_413(pdp: Asking) -> None:
    most = await pdp.post("/access/v1/evaluations", about() | {"evaluations": [{}] * 200})
    more = await pdp.post("/access/v1/evaluation", about() | {"context": {"x": "y" * 262_144}})

    assert (most.status, len(most.json["evaluations"]), more.status) == (200, 200, 413)


@pytest.mark.parametrize("path", PATHS)
async def test_numbers_and_texts_of_any_size_are_answered(pdp: Asking, path: str) -> None:
    odd: dict[str, Any] = {"huge": 10**400, "small": -(2**80), "fraction": 1e-300,
                           "text": "\u0000\U0001f600", "deep": [[[[{}]]]]}

    told = await pdp.post(path, about(action="can_read", resource="book:1", context=odd, **odd), token=_token(path))

    assert told.status == 200


async def test_unknown_members_are_ignored(pdp: Asking) -> None:
    asked = about(action="can_read", resource="book:1", context={"time": "2024-05-31T15:22-07:00", "weather": [1]})

    told = await pdp.evaluate(asked | {"future": {"a": 1}, "resource": asked["resource"] | {"x": 1}})

    assert told["decision"] is True


@pytest.mark.parametrize(("kind", "status"), [
    ("application/json; charset=utf-8", 200), ("APPLICATION/JSON", 200), ("text/plain", 415), ("", 415),
    ("application/jsonp", 415), ("application/x-www-form-urlencoded", 415), ("multipart/form-data", 415),
])
async def test_only_json_is_json(pdp: Asking, kind: str, status: int) -> None:
    assert (await pdp.post("/access/v1/evaluation", about(), headers={"content-type": kind})).status == status


@pytest.mark.parametrize("path", PATHS)
async def test_only_enforcement_points_may_ask(pdp: Asking, path: str) -> None:
    nobody = await pdp.post(path, about(), token=None, headers={"x-request-id": "r-2"})
    stolen = await pdp.post(path, about(), token="stolen")
    viewer = await pdp.post(path, about(), token="grid_viewer", headers={"x-request-id": "r-3"})

    assert [told.status for told in (nobody, stolen, viewer)] == [401, 401, 403]
    assert nobody.headers["www-authenticate"].startswith("Bearer")
    assert (nobody.headers["x-request-id"], viewer.headers["x-request-id"]) == ("r-2", "r-3")


async def test_the_wrong_method_gets_the_name_of_its_request_back(pdp: Asking) -> None:
    told = await ask(pdp.app, "GET", "/access/v1/evaluation", headers={
        "authorization": "Bearer pep", "x-request-id": "r-4"})

    assert (told.status, told.headers["x-request-id"]) == (405, "r-4")


@pytest.mark.parametrize(("fields", "status"), [
    ({"content-encoding": "gzip"}, 415), ({"access-purpose": "NOT A WORD"}, 400)])
async def test_a_head_that_is_refused_gets_the_name_of_its_request_back(
    pdp: Asking, fields: dict[str, str], status: int,
) -> None:
    told = await pdp.post("/access/v1/evaluation", about(), headers={"x-request-id": "r-5", **fields})

    assert (told.status, told.headers["x-request-id"]) == (status, "r-5")


@pytest.mark.parametrize("name", ["", "a" * 257, "a\tb", "\u00fc"])
async def test_a_request_id_that_cannot_be_repeated_is_400(pdp: Asking, name: str) -> None:
    told = await pdp.post("/access/v1/evaluation", about(), headers={"x-request-id": name})

    assert told.status == 400


async def test_an_answer_that_cannot_be_sealed_is_withheld(pdp: Asking) -> None:
    record = pdp.ledger.record

    async def fails(event: Event) -> Any:
        if event["event"]["action"].startswith("access_evaluated"):
            raise UnavailableError("the ledger is down")
        return await record(event)

    pdp.ledger.record = fails  # type: ignore[method-assign]

    told = await pdp.post("/access/v1/evaluation", about())

    assert told.status == 503
    assert "decision" not in told.json


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=JSON, path=st.sampled_from(PATHS))
async def test_no_json_whatever_makes_a_5xx_or_lets_a_stranger_in(pdp: Asking, body: Any, path: str) -> None:
    told = await pdp.post(path, json.dumps(body).encode(), token=_token(path))

    assert told.status in {200, 400}
    if told.status == 200:
        assert told.json.get("decision", False) is False


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.text(max_size=8) | st.sampled_from(["dataset", "route", "platform"]), thing=st.text(max_size=30),
       action=st.text(max_size=12) | st.sampled_from(["GET", "meters.read", "users.read"]),
       who=st.text(max_size=12) | st.sampled_from(["alice@example.com", "bob@example.com"]), context=JSON)
async def test_whatever_is_asked_is_answered(  # noqa: PLR0913, PLR0917 - one a part of the question
    pdp: Asking, kind: str, thing: str, action: str, who: str, context: Any,
) -> None:
    asked = about(who, action) | {"resource": {"type": kind, "id": thing}}
    if isinstance(context, dict):
        asked["context"] = context

    assert (await pdp.post("/access/v1/evaluation", asked)).status in {200, 400}
