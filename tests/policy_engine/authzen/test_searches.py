"""Searches: real decisions over who is known, what is catalogued, what can be done; in pages that only we can turn."""

from typing import Any

import pytest

from policy_engine.http.authzen import KnownSubject, searching
from tests.policy_engine.authzen.authzen_city import READINGS, Asking, about

MASKS = {"obligations": ["mask"]}
WHO = {"subject": {"type": "user"}, "action": {"name": "meters.read"},
       "resource": {"type": "dataset", "id": "grid.meter_readings"}, "context": MASKS}


def _ids(told: Any) -> list[str]:
    return [one.get("id", one.get("name")) for one in told["results"]]


async def test_subjects_are_those_the_policy_would_allow(pdp: Asking) -> None:
    told = await pdp.search("subject", WHO)

    assert _ids(told) == ["alice@example.com", "carol"]
    assert told["page"] == {"next_token": "", "count": 2}
    for one in told["results"]:
        assert (await pdp.evaluate(about(one["id"], context=MASKS)))["decision"] is True


async def test_an_id_in_a_subject_search_is_ignored(pdp: Asking) -> None:
    assert _ids(await pdp.search("subject", WHO | {"subject": {"type": "user", "id": "bob@example.com"}})) == [
        "alice@example.com", "carol"]


async def test_resources_are_datasets_routes_or_the_platform(pdp: Asking) -> None:
    alice = {"subject": {"type": "user", "id": "alice@example.com"}, "context": MASKS}
    found = {kind: _ids(await pdp.search("resource", alice | {"action": {"name": action}, "resource": {"type": kind}}))
             for kind, action in (("dataset", "meters.read"), ("route", "GET"), ("platform", "users.read"),
                                  ("account", "can_read"))}

    assert found == {"dataset": ["grid.load_actual", "grid.meter_readings"],
                     "route": ["/api/v1/catalog", "/api/v1/load", "/api/v1/meters"], "platform": [], "account": []}


async def test_actions_are_those_of_the_resource(pdp: Asking) -> None:
    found = {}
    for resource in (READINGS, "route:/api/v1/meters", "route:/api/v1/users", "platform:gridwarden", "account:1"):
        asked = about("alice@example.com", resource=resource, context=MASKS)
        del asked["action"]
        found[resource] = _ids(await pdp.search("action", asked))

    assert found == {READINGS: ["meters.read"], "route:/api/v1/meters": ["GET"], "route:/api/v1/users": [],
                     "platform:gridwarden": ["analytics.read", "catalog.read", "meters.read"],
                     "account:1": ["can_read", "can_write"]}


async def test_pages_hold_everything_once_and_end_with_an_empty_token(pdp: Asking) -> None:
    pdp.directory.known["person"] = [
        KnownSubject(f"p{n:03}", f"p{n:03}", "person", frozenset({"grid_viewer" if n % 3 else "auditor"}),
                     is_active=True, place=f"p{n:03}") for n in range(150)]
    found: list[str] = []
    page: dict[str, Any] = {"limit": 30}

    while True:
        told = await pdp.search("subject", WHO | {"page": page})
        found += _ids(told)
        assert told["page"]["count"] == len(told["results"]) <= 30
        if not told["page"]["next_token"]:
            break
        page = {"token": told["page"]["next_token"]}

    assert found == [f"p{n:03}" for n in range(150) if n % 3]


async def test_one_call_decides_a_bounded_number_of_questions(pdp: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "MAX_TRIED", 40)
    pdp.directory.known["person"] = [
        KnownSubject(f"p{n:03}", "x", "person", frozenset({"grid_viewer" if n == 99 else "auditor"}), is_active=True,
                     place=f"p{n:03}") for n in range(100)]
    pages: list[list[str]] = []
    token = ""
    while not pages or token:
        told = await pdp.search("subject", WHO | {"page": {"token": token} if token else {}})
        pages.append(_ids(told))
        token = told["page"]["next_token"]

    assert pages == [[], [], ["p099"]]
    assert [event["grid"]["evaluation"]["tried"] for event in pdp.sealed("access_searched")] == [40, 40, 20]


async def test_a_token_is_good_for_its_own_question_caller_and_limit_only(pdp: Asking) -> None:
    first = await pdp.search("subject", WHO | {"page": {"limit": 1}})
    token = first["page"]["next_token"]

    async def status(body: Any, caller: str = "pep_search") -> int:
        return (await pdp.post("/access/v1/search/subject", body, token=caller)).status

    assert await status(WHO | {"page": {"token": token}}) == 200
    assert await status(WHO | {"page": {"token": token, "limit": 1}}) == 200
    assert await status(WHO | {"page": {"token": token, "limit": 2}}) == 400
    assert await status(WHO | {"page": {"token": token}, "action": {"name": "users.read"}}) == 400
    assert await status(WHO | {"page": {"token": token}, "context": {}}) == 400
    assert await status(WHO | {"page": {"token": token}}, "other_search") == 400


@pytest.mark.parametrize("page", [
    {"token": "forged"}, {"token": "a3M9NDU2O3N6PTI="}, {"token": "\u00fc"}, {"token": 7}, {"token": "A" * 5_000},
    {"token": None}, {"limit": -1}, {"limit": 1.5}, {"limit": True}, {"limit": "2"}, [], "page", None,
])
async def test_a_forged_token_or_odd_page_is_400(pdp: Asking, page: Any) -> None:
    assert (await pdp.post("/access/v1/search/subject", WHO | {"page": page}, token="pep_search")).status == 400


async def test_a_whole_number_may_be_written_with_a_point(pdp: Asking) -> None:
    first = await pdp.search("subject", WHO | {"page": {"limit": 1.0}})
    second = await pdp.search("subject", WHO | {"page": {"limit": 1, "token": first["page"]["next_token"]}})

    assert (first["page"]["count"], second["page"]["count"]) == (1, 1)
    assert first["results"] != second["results"]


async def test_a_limit_of_nothing_gives_nothing_and_a_token(pdp: Asking) -> None:
    told = await pdp.search("subject", WHO | {"page": {"limit": 0}})

    assert (told["results"], bool(told["page"]["next_token"])) == ([], True)


@pytest.mark.parametrize(("what", "body"), [
    ("subject", WHO | {"subject": {"type": "robot"}}),
    ("subject", WHO | {"resource": {"type": "dataset", "id": "grid.nothing"}}),
    ("resource", about("lena") | {"resource": {"type": "dataset"}}), ("action", about(context={"time": "never"})),
])
async def test_what_cannot_be_asked_has_no_results_and_the_reason(pdp: Asking, what: str, body: Any) -> None:
    told = await pdp.search(what, body)

    assert told["results"] == []
    assert told["context"]["reason"]


@pytest.mark.parametrize("what", ["subject", "resource", "action"])
async def test_an_enforcement_point_that_may_only_ask_may_not_search(pdp: Asking, what: str) -> None:
    told = await pdp.post(f"/access/v1/search/{what}", WHO, token="pep")

    assert told.status == 403
    assert pdp.sealed("access_searched") == []
