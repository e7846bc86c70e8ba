"""Risk at the gateway with the real scorer: what a request teaches, what a thief cannot teach, what is counted."""

import asyncio

import pytest

from policy_engine.domain.risk import RiskFeatures
from policy_engine.service import RiskScorer
from tests.control_plane.gateway_city import City, FixedRisk, ask

VIEWER = {"Authorization": "Bearer viewer", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}
HOME = "198.51.100.7"


class _NoStore:
    """Nothing here is written."""


async def _familiar_city(requests: int = 30) -> tuple[City, RiskScorer]:
    scorer = RiskScorer(_NoStore())  # type: ignore[arg-type]
    city = City(risk=scorer)
    usual = RiskFeatures("u-viewer", HOME, VIEWER["User-Agent"], 1_795_000_000_000_000, "grid.read")
    for _ in range(requests):
        scorer.observe(usual)
    return city, scorer


async def _asks(city: City, times: int, peer: str, **headers: str) -> None:
    gateway = city.gateway()
    for _ in range(times):
        await ask(gateway, "GET", "/api/v1/readings/m-1", headers={**VIEWER, **headers}, peer=peer)
    await asyncio.sleep(0)


async def test_an_owners_request_is_familiar_and_learnt_with_its_action() -> None:
    city, scorer = await _familiar_city()

    await _asks(city, 3, HOME)

    decision = city.ledger.events[-1]["grid"]["decision"]
    assert decision["risk"] < 20
    assert scorer._memory.of("u-viewer").of("action", "grid.read") == 33


@pytest.mark.parametrize(("peer", "agent"), [
    ("203.0.113.9", "python-requests/2.32"), ("203.0.113.9", VIEWER["User-Agent"]),
    ("198.51.7.7", VIEWER["User-Agent"]), ("198.51.7.7", "curl/8"),
], ids=["elsewhere, a program", "elsewhere, the same browser", "same network and browser", "same network, a program"])
@pytest.mark.parametrize("known", [1, 5, 30])
async def test_a_stolen_token_does_not_make_itself_familiar_by_being_used(peer: str, agent: str, known: int) -> None:
    city, scorer = await _familiar_city(known)
    before = scorer._memory.of("u-viewer").requests

    await _asks(city, 60, peer, **{"User-Agent": agent})

    assert scorer._memory.of("u-viewer").requests == before
    assert scorer._memory.of("u-viewer").of("address", peer) == 0


async def test_decided_requests_are_counted_refused_ones_too_and_strangers_are_not() -> None:
    risk = FixedRisk()
    city = City(risk=risk)

    await ask(city.gateway(), "GET", "/api/v1/readings/m-1", headers=VIEWER)
    await ask(city.gateway(), "GET", "/admin/users", headers=VIEWER)
    await ask(city.gateway(), "GET", "/public")

    assert risk.counted == [("grid.read", True), ("users.read", False)]
