"""Every example of the AuthZEN Authorization API 1.0 is asked, and every answer held against the schemas."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from policy_engine.http.authzen import described, endpoints
from tests.control_plane.gateway_city import Told, ask
from tests.policy_engine.authzen.authzen_city import ORIGIN, Asking

SEARCH_RESPONSE = {
    "type": "object", "required": ["results"], "properties": {
        "results": {"type": "array", "items": {"oneOf": [{"required": ["type", "id"]}, {"required": ["name"]}]}},
        "page": {"type": "object", "properties": {
            "next_token": {"type": "string"}, "count": {"type": "integer", "minimum": 0},
            "total": {"type": "integer", "minimum": 0}}},
        "context": {"type": "object"},
    },
}
"""Section 8.3, which has no schema file."""

PATHS = {"evaluation": "evaluation", "evaluations": "evaluations", "subject": "search/subject",
         "resource": "search/resource", "action": "search/action"}
ALICE = {"type": "user", "id": "alice@example.com"}


@pytest.fixture(scope="session")
def schemas(shared_vectors: Path) -> dict[str, Draft202012Validator]:
    """Return the validators of requests and answers."""
    folder = shared_vectors / "authzen"
    decision = json.loads((folder / "evaluation-response.schema.json").read_text())
    decisions = {"type": "object", "required": ["evaluations"],
                 "properties": {"evaluations": {"type": "array", "items": decision}}}
    found = {
        "request": json.loads((folder / "evaluation-request.schema.json").read_text()), "evaluation": decision,
        "evaluations": decisions, **dict.fromkeys(("subject", "resource", "action"), SEARCH_RESPONSE),
    }
    return {name: Draft202012Validator(schema) for name, schema in found.items()}


def _kind(example: dict[str, Any]) -> str:
    """Tell what an example is an example of."""
    if "results" in example:
        return "search response"
    if "decision" in example or any("decision" in one for one in example.get("evaluations", ())):
        return "response"
    if "evaluations" in example:
        return "evaluations"
    if "subject" in example:
        return next((what for what in ("subject", "resource") if "id" not in example[what]),
                    "evaluation" if "action" in example else "action")
    return "entity" if "id" in example else "name" if "name" in example else "context"


def _request(kind: str, example: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return which interface to call, and with what; an entity alone is put into every place it fits."""
    whole = {"subject": ALICE, "action": {"name": "can_read"}, "resource": {"type": "book", "id": "123"}}
    alone = {"entity": {"subject": example, "resource": example}, "name": {"action": example},
             "context": {"context": example}}
    return ("evaluation", whole | alone[kind]) if kind in alone else (kind, example)


async def test_every_json_example_is_answered_as_the_schemas_say(
    pdp: Asking, shared_vectors: Path, schemas: dict[str, Draft202012Validator],
) -> None:
    ours = {each.path: each.operation for each in described(endpoints(pdp.city))}
    examples = [one["json"] for one in json.loads((shared_vectors / "authzen" / "examples.json").read_text())]
    seen: Counter[str] = Counter()
    for example in examples:
        seen[kind := _kind(example)] += 1
        if kind.endswith("response"):
            schemas["subject" if kind == "search response" else
                    "evaluations" if "evaluations" in example else "evaluation"].validate(example)
            continue
        what, body = _request(kind, example)
        # The tokens of the examples are another decision point's.
        body = body | ({"page": {name: value for name, value in body["page"].items() if name != "token"}}
                       if "page" in body else {})
        if what == "evaluation":
            schemas["request"].validate(body)

        path = f"/access/v1/{PATHS[what]}"
        told = await pdp.post(path, body, token="pep" if what.startswith("ev") else "pep_search")

        assert told.status == (400 if "another_option" in example.get("options", {}) else 200), (example, told.body)
        if told.status == 200:
            Draft202012Validator(ours[path].takes).validate(body)
            schemas[what].validate(told.json)
            Draft202012Validator(ours[path].gives).validate(told.json)

    assert sum(seen.values()) == 37
    assert set(seen) == {"entity", "name", "context", "evaluation", "evaluations", "subject", "resource", "action",
                         "response", "search response"}


async def test_every_http_example_is_sent_and_its_request_id_comes_back(
    pdp: Asking, shared_vectors: Path, schemas: dict[str, Draft202012Validator],
) -> None:
    examples = json.loads((shared_vectors / "authzen" / "http_examples.json").read_text())
    requests = [one["text"] for one in examples if not one["text"].startswith("HTTP/")]

    for text in requests:
        path, told = await _sent(pdp, text)
        if "X-Request-ID" in text:
            assert told.headers["x-request-id"] == "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"
            assert told.headers["gridwarden-request-id"] != told.headers["x-request-id"]
        if "\n\n" in text:
            assert told.status == 200, told.body
            assert told.headers["content-type"] == "application/json"
            schemas[path.rpartition("/")[2]].validate(told.json)

    assert (len(examples), len(requests)) == (15, 7)


async def test_the_examples_answers_are_ours(pdp: Asking) -> None:
    """The bundle of these tests lets alice read and write accounts."""
    account = {"type": "account", "id": "123"}

    found = await pdp.search("action", {"subject": ALICE, "resource": account})
    who = await pdp.search("subject", {
        "subject": {"type": "user"}, "action": {"name": "can_read"}, "resource": account})

    assert found["results"] == [{"name": "can_read"}, {"name": "can_write"}]
    assert [one["id"] for one in who["results"]] == ["alice@example.com"]
    assert list(found) == ["page", "results"]


async def test_metadata_names_every_interface_by_its_absolute_url(pdp: Asking) -> None:
    told = await ask(pdp.app, "GET", "/.well-known/authzen-configuration", headers={"x-request-id": "m-1"})

    assert told.status == 200
    assert told.headers["x-request-id"] == "m-1"
    assert told.headers["cache-control"] == "public, max-age=3600"
    assert told.json == {
        "policy_decision_point": ORIGIN,
        "access_evaluation_endpoint": f"{ORIGIN}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{ORIGIN}/access/v1/evaluations",
        "search_subject_endpoint": f"{ORIGIN}/access/v1/search/subject",
        "search_resource_endpoint": f"{ORIGIN}/access/v1/search/resource",
        "search_action_endpoint": f"{ORIGIN}/access/v1/search/action",
    }


async def _sent(pdp: Asking, text: str) -> tuple[str, Told]:
    head, _, body = text.partition("\n\n")
    line, *fields = head.split("\n")
    method, path, _ = line.split(" ")
    headers = dict(field.split(": ", 1) for field in fields) | {"Authorization": _token(path)}
    return path, await ask(pdp.app, method, path, headers=headers, chunks=[body.encode()])


def _token(path: str) -> str:
    return "Bearer pep_search" if "/search/" in path else "Bearer pep"
