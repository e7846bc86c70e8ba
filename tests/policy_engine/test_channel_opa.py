"""The update channel where each process has an OPA server of its own, which dies, freezes, forgets or refuses.

A process whose server does not hold the bundle that decides denies; it comes back by itself, and never splits a fleet.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from policy_engine.domain.bundle import Bundle
from policy_engine.service.membership import steady_us
from policy_engine.store.bundle_channel import BundleChannel
from tests.conftest import DatabaseMaker
from tests.policy_engine.authors import Author, private_key, rules
from tests.policy_engine.fleet import STALE, Member, fleet, leased, overlaps, publish
from tests.servers.opa import opa_process, opa_server
from tests.servers.started import free_port

pytestmark = pytest.mark.opa
SILENT = "the policy engine did not answer: denied"


@pytest.fixture(scope="module")
def author() -> Author:
    """Return whose bundles the fleet trusts."""
    return Author(private_key())


@pytest.fixture
async def database(make_database: DatabaseMaker) -> AsyncIterator[tuple[str, BundleChannel]]:
    """Give a database whose lease is one second, and its channel."""
    async with leased(await make_database("policy_engine")) as channel:
        yield channel


@pytest.fixture
def well_opa() -> Iterator[str]:
    """Give the server of the member that is well."""
    with opa_server() as url:
        yield url


@pytest.fixture
def ill_opa() -> str:
    """Return where the other's server is to run."""
    return f"http://127.0.0.1:{free_port()}"


async def after(member: Member, start: str) -> int:
    """Wait for an answer to a question that was asked from now on; return when it was there."""
    return (await member.says(start, since=steady_us())).after


async def test_a_member_whose_opa_is_killed_denies_and_decides_again_once_it_is_back_empty(
        database: tuple[str, BundleChannel], author: Author, tmp_path: Path, well_opa: str, ill_opa: str) -> None:
    url, channel = database
    with contextlib.ExitStack() as server:
        first = server.enter_context(opa_process(ill_opa))
        async with fleet(url, author, tmp_path, "well", "ill", opas=(well_opa, ill_opa)) as (members, _):
            well, ill = members
            first.kill()
            died = await after(ill, SILENT)
            await after(well, "rules 1")
            await publish(channel, author, 2)
            await well.says("rules 2")
            stale = await ill.says(STALE)
            meanwhile = {answer.reason.partition(":")[0] for answer in ill.answers if answer.before > died}
            server.enter_context(opa_process(ill_opa))
            await after(ill, "rules 2")
            answers = [*well.answers, *ill.answers]

    assert overlaps(answers) == []
    assert meanwhile <= {SILENT.partition(":")[0], "stale_policy"}
    assert "decides" in stale.reason
    assert not any(answer.reason.startswith((STALE, SILENT)) for answer in well.answers)


async def test_an_opa_that_lost_its_bundle_gets_the_one_of_the_channel_again(
        database: tuple[str, BundleChannel], author: Author, tmp_path: Path, ill_opa: str) -> None:
    """The process's own file still holds rules 1."""
    url, channel = database
    with contextlib.ExitStack() as server:
        first = server.enter_context(opa_process(ill_opa))
        async with fleet(url, author, tmp_path, "one", opas=(ill_opa,)) as ([member], _):
            await publish(channel, author, 2)
            await member.says("rules 2")
            first.kill()
            await after(member, SILENT)
            killed = steady_us()
            server.enter_context(opa_process(ill_opa))
            await after(member, "rules 2")
            since = {answer.reason for answer in member.answers if answer.before > killed}

    assert since == {"rules 2", SILENT}


async def test_an_opa_that_freezes_over_the_hour_wakes_up_to_the_new_rules(
        database: tuple[str, BundleChannel], author: Author, tmp_path: Path, well_opa: str, ill_opa: str) -> None:
    url, channel = database
    with opa_process(ill_opa) as server:
        async with fleet(url, author, tmp_path, "well", "ill", opas=(well_opa, ill_opa)) as (members, _):
            well, ill = members
            server.send_signal(signal.SIGSTOP)
            await publish(channel, author, 2)
            await well.says("rules 2")
            await after(ill, STALE)
            woken = steady_us()
            server.send_signal(signal.SIGCONT)
            await after(ill, "rules 2")
            answers = [*well.answers, *ill.answers]

    assert overlaps(answers) == []
    assert not any(answer.reason == "rules 1" and answer.before > woken for answer in answers)


@pytest.mark.parametrize("is_late", [False, True], ids=["at the hour", "after it"])
async def test_an_opa_that_refuses_what_decides_elsewhere_has_its_member_deny_until_the_next_bundle(  # noqa: PLR0913 - a fleet
        database: tuple[str, BundleChannel], author: Author, tmp_path: Path, well_opa: str, ill_opa: str, *,
        is_late: bool) -> None:
    """Somebody put a module of his own into this server, which defines what rules 2 define, too."""
    url, channel = database
    with opa_process(ill_opa):
        async with fleet(url, author, tmp_path, "well", "ill", opas=(well_opa, ill_opa)) as (members, cables):
            well, ill = members
            async with aiohttp.ClientSession() as session:
                await session.put(f"{ill_opa}/v1/policies/his", data=b"package gateway\n\ndefault extra := 1\n")
            if is_late:
                cables[1].whole.clear()
            await channel.publish(_with_extra(2), author.archive(_with_extra(2), 2), by="ana")
            await well.says("rules 2")
            cables[1].whole.set()
            stale = await ill.says(f"{STALE}version 1 decides everywhere and is not ready here (OPA says")
            await publish(channel, author, 3)
            await asyncio.gather(*(member.says("rules 3") for member in members))
            answers = [*well.answers, *ill.answers]

    assert overlaps(answers) == []
    assert "multiple default rules" in stale.reason
    assert not any(answer.reason == "rules 2" for answer in ill.answers)


def _with_extra(number: int) -> Bundle:
    files = dict(rules(number).files)
    files["p.rego"] += b"\ndefault extra := 2\n"
    return Bundle(files, name=f"build {number}", built_at_us=number, sequence=number)
