"""Two hosts on one database: one leads, both serve; whichever dies or pauses, nothing is lost and nothing is double."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from control_plane.cli.person import Person, SignInRefusedError
from tests.fleet.hosts import PATH, Host, Load, answers, beside, host, sealed, until, verified, viewer

pytestmark = pytest.mark.slow


@pytest.fixture
async def database(make_database: Callable[..., Any]) -> str:
    """A database for all hosts of a test."""
    return str(await make_database())


@pytest.fixture
async def pair(database: str, tmp_path: Path) -> AsyncIterator[tuple[Host, Host]]:
    """A host that leads, and one that follows."""
    with host(tmp_path / "one", database) as one, beside(one, tmp_path / "two") as two:
        yield one, two


async def test_the_second_host_follows_and_takes_over_when_the_first_is_killed(
    pair: tuple[Host, Host], database: str,
) -> None:
    one, two = pair
    assert one.said("duties_taken_up")
    assert not two.said("duties_taken_up")
    load = Load(await viewer(one), [one.gateway, two.gateway])
    async with load.running():
        await until(lambda: len(load.acknowledged) > 150)
        one.kill()
        took_s = await until(lambda: bool(two.said("duties_taken_up")))
        asked = len(load.acknowledged)
        await until(lambda: len(load.acknowledged) > asked + 50)

    counted = await sealed(database)
    assert {counted[request] for request in load.acknowledged} == {1}
    assert max(counted.values()) == 1
    assert took_s < 12
    assert await answers(two.gateway) == 200
    assert await verified(two, database) in {0, 3}
    one.start()
    assert await answers(one.gateway) == 200
    assert not two.said("duties_laid_down")
    assert two.stop() == 0
    await until(lambda: len(one.said("duties_taken_up")) == 2)


async def test_a_leader_that_was_paused_wakes_as_a_follower(pair: tuple[Host, Host], database: str) -> None:
    one, two = pair
    load = Load(await viewer(one), [two.gateway])
    async with load.running(4):
        await until(lambda: len(load.acknowledged) > 30)
        one.process.send_signal(signal.SIGSTOP)
        await until(lambda: bool(two.said("duties_taken_up")), 40)
        asked = len(load.acknowledged)
        await until(lambda: len(load.acknowledged) > asked + 30)
        one.process.send_signal(signal.SIGCONT)
        await until(lambda: bool(one.said("duties_laid_down")))
        await until(lambda: _answers(one, 200))

    counted = await sealed(database)
    assert {counted[request] for request in load.acknowledged} == {1}
    assert max(counted.values()) == 1
    assert len(one.said("duties_taken_up")) == 1
    assert await verified(two, database) in {0, 3}


async def test_what_one_host_takes_away_the_other_refuses_at_once(pair: tuple[Host, Host]) -> None:
    one, two = pair
    person, same = await viewer(one), Person(two.gateway, user_agent="fleet")
    same.tokens = person.tokens
    assert (await same.ask("GET", PATH)).status_code == 200

    await person._send("POST", f"{one.gateway}/oauth2/revoke", data={
        "token": person.tokens["access_token"], "client_id": "gridwarden-cli"})

    async def is_refused() -> bool:
        return (await same.ask("GET", PATH)).status_code == 401

    assert await until(is_refused, 5) < 2


async def test_a_label_raised_on_one_host_binds_the_other(pair: tuple[Host, Host]) -> None:
    one, two = pair
    steward = Person(one.gateway, user_agent="fleet")
    await steward.sign_in("dren.steward", one.passwords["dren.steward"])
    raised = await steward.ask("PUT", f"{PATH}/grid.load_actual/label", purpose="audit", body={
        "classification": "CONFIDENTIAL", "reason": "fleet"})
    assert raised.status_code == 200, raised.text
    other = Person(two.gateway, user_agent="fleet")
    other.tokens = steward.tokens

    async def is_raised() -> bool:
        answer = await other.ask("GET", f"{PATH}/grid.load_actual", purpose="audit")
        return "CONFIDENTIAL" in answer.text

    assert await until(is_raised, 5) < 2


async def test_an_attack_on_both_hosts_is_detected_and_answered_once(pair: tuple[Host, Host], database: str) -> None:
    one, two = pair
    for number in range(12):
        person = Person((one, two)[number % 2].gateway, user_agent="fleet")
        with pytest.raises(SignInRefusedError):
            await person.sign_in("ana.analyst", "wrong")

    await until(lambda: _alerts(database), 30)
    await asyncio.sleep(2)

    assert max((await sealed(database)).values()) == 1
    connection = await asyncpg.connect(database)
    doubled = await connection.fetch(
        "SELECT action, run, step FROM (SELECT action, event #>> '{grid,playbook,run_id}' AS run, "
        "event #>> '{grid,playbook,step}' AS step FROM (SELECT action, convert_from(payload, 'UTF8')::jsonb AS event "
        "FROM audit_ledger.entries WHERE action LIKE 'playbook%') AS told) AS steps "
        "GROUP BY action, run, step HAVING count(*) > 1")
    await connection.close()
    assert doubled == []


async def _alerts(database: str) -> bool:
    connection = await asyncpg.connect(database)
    try:
        return bool(await connection.fetchval(
            "SELECT count(*) FROM audit_ledger.entries WHERE action = 'alert_raised'"))
    finally:
        await connection.close()


async def _answers(at: Host, status: int) -> bool:
    return await answers(at.gateway) == status
