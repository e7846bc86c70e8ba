"""Too many requests are refused before anybody looks at who asks, and no header makes one caller into many."""

from ipaddress import ip_network

import orjson

from policy_engine.domain.limits.buckets import OwnBuckets
from policy_engine.domain.limits.gcra import Quota
from policy_engine.domain.limits.rules import By, Rule
from policy_engine.service.limits import Limiter
from tests.control_plane.gateway_city import START_US, City, KeptEvents, Told, ask
from tests.frozen_clock import FrozenClock

VIEWER, ADMIN = {"Authorization": "Bearer viewer"}, {"Authorization": "Bearer admin"}
READING = "/api/v1/readings/m-1"


def city(*rules: Rule) -> City:
    """Return a city that counts."""
    ledger = KeptEvents()
    return City(ledger=ledger, limits=Limiter(rules, OwnBuckets(), ledger, FrozenClock(START_US)))


def three(by: By) -> Rule:
    return Rule("few", by, Quota(1, 3))


async def flood(found: City, *headers: dict[str, str], peer: str = "203.0.113.9") -> list[Told]:
    gateway = found.gateway()
    return [await ask(gateway, "GET", READING, headers=each, peer=peer) for each in headers]


async def test_the_fourth_is_429_and_says_when_to_come_again() -> None:
    found = city(three(By.SUBJECT))

    *passed, refused = await flood(found, *[VIEWER] * 4)

    assert [told.status for told in (*passed, refused)] == [200, 200, 200, 429]
    assert passed[-1].headers["ratelimit"] == '"few";r=0;t=3'
    assert passed[-1].headers["ratelimit-policy"] == '"few";q=3;w=3'
    assert (refused.headers["retry-after"], refused.headers["ratelimit"]) == ("1", '"few";r=0;t=3')
    assert refused.headers["content-type"] == "application/problem+json"
    assert orjson.loads(refused.body)["type"] == "urn:gridwarden:problem:too-many-requests"


async def test_nothing_is_decided_or_done_for_an_address_that_asks_too_often() -> None:
    found = city(three(By.ADDRESS))

    await flood(found, *[VIEWER] * 30)

    assert len(found.policy.questions) == len(found.contexts) == 3
    assert [event["event"]["action"] for event in found.ledger.events] == [*["access_decision"] * 3, "rate_limited"]


async def test_a_bad_token_costs_its_address_too() -> None:
    found = city(three(By.ADDRESS))

    told = await flood(found, *[{"Authorization": f"Bearer guess-{number}"} for number in range(5)])

    assert [answer.status for answer in told] == [401, 401, 401, 429, 429]


async def test_no_header_of_a_stranger_makes_one_address_many() -> None:
    forged = [{"X-Forwarded-For": f"198.51.100.{number}", "Forwarded": f"for=198.51.100.{number}",
               "X-Real-IP": f"198.51.100.{number}", "True-Client-IP": f"198.51.100.{number}", **VIEWER}
              for number in range(4)]

    told = await flood(city(three(By.ADDRESS)), *forged)

    assert [answer.status for answer in told] == [200, 200, 200, 429]


async def test_behind_a_proxy_of_ours_callers_are_told_apart_by_what_it_saw_last() -> None:
    found = city(three(By.ADDRESS))
    found.proxies = (ip_network("192.0.2.0/24"),)
    own = [{"X-Forwarded-For": f"10.0.0.{number}, 203.0.113.9", **VIEWER} for number in range(4)]

    told = await flood(found, *own, {"X-Forwarded-For": "203.0.113.10", **VIEWER}, peer="192.0.2.1")

    assert [answer.status for answer in told] == [200, 200, 200, 429, 200]


async def test_one_who_is_limited_is_no_lever_against_others_behind_the_same_client() -> None:
    found = city(three(By.SUBJECT))

    told = await flood(found, *[VIEWER] * 5, ADMIN)

    assert [answer.status for answer in told] == [200, 200, 200, 429, 429, 200]


async def test_probes_are_never_limited() -> None:
    gateway = city(three(By.ADDRESS)).gateway()

    told = [await ask(gateway, "GET", "/health/live", peer="203.0.113.9") for _ in range(9)]

    assert {answer.status for answer in told} == {200}
