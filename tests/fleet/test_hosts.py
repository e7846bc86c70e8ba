"""Two hosts on one database: one leads, both serve; whichever dies or pauses, nothing is lost and nothing is double."""

import asyncio
import contextlib
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from control_plane.cli.person import Person, SignInRefusedError
from control_plane.demo.story import ATTACKER
from tests.fleet.hosts import PATH, Host, Load, answers, beside, host, sealed, until, verified, viewer

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Pair:
    """Two hosts; which of them leads changes."""

    hosts: tuple[Host, Host]
    database: str

    def roles(self) -> tuple[Host, Host]:
        """Return the leader and the follower."""
        one, two = self.hosts
        return (one, two) if self._leads(one) else (two, one)

    @staticmethod
    def _leads(at: Host) -> bool:
        return len(at.said("duties_taken_up")) > len(at.said("duties_laid_down"))


@pytest.fixture(scope="module")
def pair(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A host that leads, and one that follows."""
    folder, name = tmp_path_factory.mktemp("fleet"), f"fleet_{secrets.token_hex(6)}"
    asyncio.run(_execute(postgres_url, f"CREATE DATABASE {name}"))
    parts = urlsplit(postgres_url)
    database = parts._replace(path=f"/{name}").geturl()
    with host(folder / "one", database) as one, beside(one, folder / "two") as two:
        yield Pair((one, two), database)
    asyncio.run(_execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


async def test_what_one_host_takes_away_the_other_refuses_at_once(pair: Pair) -> None:
    one, two = pair.hosts
    person, same = await viewer(one), Person(two.gateway, user_agent="fleet")
    same.tokens = person.tokens
    assert (await same.ask("GET", PATH)).status_code == 200

    await person._send("POST", f"{one.gateway}/oauth2/revoke", data={
        "token": person.tokens["access_token"], "client_id": "gridwarden-cli"})

    async def is_refused() -> bool:
        return (await same.ask("GET", PATH)).status_code == 401

    assert await until(is_refused, 5) < 2


async def test_a_session_ended_on_one_host_closes_its_stream_on_the_other(pair: Pair) -> None:
    one, two = pair.hosts
    auditor, admin = Person(one.gateway, user_agent="fleet"), Person(one.gateway, user_agent="fleet")
    await auditor.sign_in("arta.auditor", one.passwords["arta.auditor"])
    await admin.sign_in("admin", one.passwords["admin"])
    who = (await auditor.ask("GET", "/api/v1/users/me")).json()["id"]
    url = two.gateway.replace("http", "ws", 1) + "/api/v1/decisions/stream"

    async with connect(url, additional_headers={"Authorization": f"Bearer {auditor.tokens['access_token']}"},
                       user_agent_header="fleet") as stream:
        ended = await admin.ask("POST", f"/api/v1/users/{who}/revoke-sessions")
        began = time.monotonic()
        with contextlib.suppress(ConnectionClosed):
            async with asyncio.timeout(10):
                async for _ in stream:
                    pass

    assert (ended.status_code, stream.close_code) == (200, 4401)
    assert time.monotonic() - began < 2


async def test_a_label_raised_on_one_host_binds_the_other(pair: Pair) -> None:
    one, two = pair.hosts
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


async def test_an_attack_on_both_hosts_is_detected_and_answered_once(pair: Pair) -> None:
    one, two = pair.hosts
    for number in range(12):
        person = Person((one, two)[number % 2].gateway, address=ATTACKER, user_agent="fleet")
        with pytest.raises(SignInRefusedError):
            await person.sign_in(f"customer{number:02d}", "wrong")
    admin = Person(one.gateway, user_agent="fleet")
    await admin.sign_in("admin", one.passwords["admin"])
    victim = {"name": f"victim-{secrets.token_hex(4)}", "password": secrets.token_urlsafe(16)}  # a playbook locks them
    assert (await admin.ask("POST", "/api/v1/users", body=victim)).status_code == 201
    opened = Person(two.gateway, address=ATTACKER, user_agent="fleet")
    await opened.sign_in(victim["name"], victim["password"])

    await until(lambda: _alerts(pair.database), 60)
    await asyncio.sleep(3)

    assert max((await sealed(pair.database)).values()) == 1
    connection = await asyncpg.connect(pair.database)
    doubled = await connection.fetch(
        "SELECT action, run, step FROM (SELECT action, event #>> '{grid,playbook,run_id}' AS run, "
        "event #>> '{grid,playbook,step}' AS step FROM (SELECT action, convert_from(payload, 'UTF8')::jsonb AS event "
        "FROM audit_ledger.entries WHERE action LIKE 'playbook%') AS told) AS steps "
        "GROUP BY action, run, step HAVING count(*) > 1")
    await connection.close()
    assert doubled == []


async def test_a_leader_that_was_paused_wakes_as_a_follower(pair: Pair) -> None:
    leader, follower = pair.roles()
    laid_down = len(leader.said("duties_laid_down"))
    load = Load(await viewer(leader), [follower.gateway])
    async with load.running(4):
        await until(lambda: len(load.acknowledged) > 30)
        leader.process.send_signal(signal.SIGSTOP)
        await until(lambda: pair.roles()[0] is leader and Pair._leads(follower), 60)
        asked = len(load.acknowledged)
        await until(lambda: len(load.acknowledged) > asked + 30)
        leader.process.send_signal(signal.SIGCONT)
        await until(lambda: len(leader.said("duties_laid_down")) == laid_down + 1)
        await until(lambda: _answers(leader, 200))

    counted = await sealed(pair.database)
    assert {counted[request] for request in load.acknowledged} == {1}
    assert max(counted.values()) == 1
    assert pair.roles() == (follower, leader)
    assert await verified(follower, pair.database) in {0, 3}


async def test_the_second_host_follows_and_takes_over_when_the_first_is_killed(pair: Pair) -> None:
    leader, follower = pair.roles()
    load = Load(await viewer(leader), [leader.gateway, follower.gateway])
    async with load.running():
        await until(lambda: len(load.acknowledged) > 100)
        leader.kill()
        took_s = await until(lambda: Pair._leads(follower))
        asked = len(load.acknowledged)
        await until(lambda: len(load.acknowledged) > asked + 30)

    counted = await sealed(pair.database)
    assert {counted[request] for request in load.acknowledged} == {1}
    assert max(counted.values()) == 1
    assert took_s < 12
    assert await answers(follower.gateway) == 200
    assert await verified(follower, pair.database) in {0, 3}


async def _alerts(database: str) -> bool:
    connection = await asyncpg.connect(database)
    try:
        return bool(await connection.fetchval(
            "SELECT count(*) FROM audit_ledger.entries WHERE action = 'alert_raised'"))
    finally:
        await connection.close()


async def _answers(at: Host, status: int) -> bool:
    return await answers(at.gateway) == status


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()
