"""The update channel: real processes on one PostgreSQL, a question whose answer differs by bundle, and broken links.

Never do two processes answer by two bundles at the same time; whoever cannot know which bundle decides says so.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from policy_engine.domain.bundle import Bundle
from policy_engine.service.membership import steady_us
from policy_engine.store.bundle_channel import BundleChannel, PendingBundleError, RolledBackError
from tests.conftest import DatabaseMaker
from tests.policy_engine.authors import Author, private_key, rules
from tests.policy_engine.fleet import LEASE_MS, STALE, fleet, leased, overlaps, publish, rules_of


@pytest.fixture(scope="module")
def author() -> Author:
    """Return whose bundles the fleet trusts."""
    return Author(private_key())


@pytest.fixture
async def database(make_database: DatabaseMaker) -> AsyncIterator[tuple[str, BundleChannel]]:
    """Give a database whose lease is one second, and its channel."""
    async with leased(await make_database("policy_engine")) as channel:
        yield channel


async def test_every_process_changes_at_the_same_time(
        database: tuple[str, BundleChannel], author: Author, tmp_path: Path) -> None:
    url, channel = database
    async with fleet(url, author, tmp_path, "a", "b", "c") as (members, _):
        asked = steady_us()
        await publish(channel, author, 2)
        await asyncio.gather(*(member.says("rules 2") for member in members))
        await asyncio.sleep(0.3)
        answers = [answer for member in members for answer in member.answers]

    first = min(answer.after for answer in answers if answer.reason == "rules 2")
    assert overlaps(answers) == []
    assert LEASE_MS * 1_000 <= first - asked <= LEASE_MS * 2_000
    assert {answer.reason for answer in answers} == {"rules 1", "rules 2"}


async def test_a_process_whose_link_is_cut_denies_until_it_has_caught_up(
        database: tuple[str, BundleChannel], author: Author, tmp_path: Path) -> None:
    url, channel = database
    async with fleet(url, author, tmp_path, "cut", "well") as (members, cables):
        lonely, well = members
        cables[0].whole.clear()
        await publish(channel, author, 2)
        stale = await lonely.says(STALE)
        await well.says("rules 2")
        await asyncio.sleep(1)
        meanwhile = {answer.reason[:12] for answer in lonely.answers if answer.before > stale.after}
        cables[0].whole.set()
        await lonely.says("rules 2")
        answers = [*lonely.answers, *well.answers]

    assert overlaps(answers) == []
    assert meanwhile == {"stale_policy"}
    assert "has not reached the policy channel for" in stale.reason
    assert not any(answer.reason.startswith(STALE) for answer in well.answers)


async def test_a_process_that_stood_still_never_wakes_up_to_the_old_rules(
        database: tuple[str, BundleChannel], author: Author, tmp_path: Path) -> None:
    url, channel = database
    async with fleet(url, author, tmp_path, "paused", "well") as (members, _):
        paused, well = members
        with paused.stopped():
            await publish(channel, author, 2)
            await well.says("rules 2")
            await asyncio.sleep(0.5)
            woken = steady_us()
        await paused.says("rules 2")
        answers = [*paused.answers, *well.answers]

    assert overlaps(answers) == []
    assert not any(answer.reason == "rules 1" and answer.before > woken for answer in answers)


async def test_a_publisher_that_dies_in_the_midst_leaves_everybody_on_one_side(
        database: tuple[str, BundleChannel], author: Author, tmp_path: Path) -> None:
    """It dies at the worst place: its statement waits on the server for the lock that readers share."""
    url, channel = database
    async with fleet(url, author, tmp_path, "a", "b") as (members, _):
        blocker, publisher = await asyncpg.connect(url), await asyncpg.connect(url)
        await blocker.execute("SELECT pg_advisory_lock_shared(hashtext('policy_engine.channel'))")
        arguments = rules_of(2)
        publishing = asyncio.create_task(publisher.execute(
            "SELECT policy_engine.publish_bundle($1, $2, 2, 2, $3, 'ana')", arguments.revision, arguments.name,
            author.archive(rules(2), 2)))
        await asyncio.sleep(0.3)
        publisher.terminate()
        await asyncio.sleep(LEASE_MS / 1_000)
        await blocker.close()
        await asyncio.gather(publishing, return_exceptions=True)
        await asyncio.gather(*(member.says("rules", since=steady_us()) for member in members))
        await asyncio.sleep(2 * LEASE_MS / 1_000)
        last = [await member.says("rules", since=steady_us()) for member in members]
        answers = [answer for member in members for answer in member.answers]
        published = await channel.newest(2)

    assert overlaps(answers) == []
    assert len({answer.reason for answer in last}) == 1
    assert last[0].reason == ("rules 2" if published else "rules 1")


async def test_a_bundle_that_cannot_be_prepared_never_decides_and_neither_does_the_old_one(
        database: tuple[str, BundleChannel], author: Author, tmp_path: Path) -> None:
    """Somebody with rights on the database puts in a bundle of a foreign hand."""
    url, channel = database
    stranger = Author(private_key())
    async with fleet(url, author, tmp_path, "a", "b") as (members, _):
        await channel.publish(rules_of(2), stranger.archive(rules(2), 2), by="mallory")
        stale = await asyncio.gather(*(member.says(STALE) for member in members))
        await publish_when_possible(channel, author, 3)
        await asyncio.gather(*(member.says("rules 3") for member in members))
        answers = [answer for member in members for answer in member.answers]

    assert overlaps(answers) == []
    assert all("is not one of the key" in answer.reason for answer in stale)
    assert not any(answer.reason == "rules 2" for answer in answers)


async def publish_when_possible(channel: BundleChannel, author: Author, number: int) -> None:
    """Publish as soon as the bundle before decides."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(PendingBundleError):
                return await publish(channel, author, number)
            await asyncio.sleep(0.1)


async def test_publishing_again_changes_nothing_and_an_older_bundle_is_refused(
        database: tuple[str, BundleChannel], author: Author) -> None:
    _, channel = database
    await publish(channel, author, 5)
    await publish(channel, author, 5)
    with pytest.raises(PendingBundleError):
        await publish(channel, author, 6)
    await asyncio.sleep(LEASE_MS / 1_000)
    with pytest.raises(RolledBackError, match="not newer"):
        await publish(channel, author, 4)
    with pytest.raises(RolledBackError):
        await channel.admit(Bundle(rules(6).files, sequence=5, built_at_us=5))

    assert [bundle.version for bundle in await channel.newest(10)] == [1]
