"""A start where the published policy is refused, as after an upgrade: a newer file of one's own takes its place."""

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from policy_engine.adapters.bundle_file import BundleFile
from policy_engine.adapters.regorus_evaluator import RegorusEvaluator
from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.service import PolicyEngine
from policy_engine.service.membership import Membership
from policy_engine.service.publishing import Publisher
from policy_engine.service.succession import started
from policy_engine.store.bundle_channel import BundleChannel
from tests.conftest import START_US, DatabaseMaker
from tests.frozen_clock import FrozenClock
from tests.policy_engine.authors import Author, private_key, rules
from tests.policy_engine.fleet import leased
from tests.policy_engine.house import ListRecorder, bundle_of, question

AUTHOR = Author(private_key())
CLOCK = FrozenClock(START_US)
REFUSED = bundle_of("decision := 1 if { every x in [1] { x = 2 } }")
PUBLISHED = dataclasses.replace(REFUSED, name="build 5", built_at_us=5, sequence=5)


@pytest.fixture
async def channel(make_database: DatabaseMaker) -> AsyncIterator[BundleChannel]:
    """Give a channel on which a bundle was published that nobody takes any more."""
    async with leased(await make_database("policy_engine")) as (_, channel):
        await channel.publish(PUBLISHED, AUTHOR.archive(REFUSED, 5), by="ana")
        while (reading := await channel.read()).bundles[-1].active_from_us > reading.database_us:  # noqa: ASYNC110 - time passes
            await asyncio.sleep(0.05)
        yield channel


async def _started(channel: BundleChannel, archive: bytes, folder: Path) -> tuple[PolicyEngine, ListRecorder]:
    own, recorder = folder / "own.tar.gz", ListRecorder()
    own.write_bytes(archive)
    key = AUTHOR.verification
    engine = PolicyEngine(RegorusEvaluator(), BundleFile(own, key), recorder, CLOCK,
                          membership=Membership(channel, key))
    await started(engine, Publisher(channel, key, RegorusEvaluator, recorder, CLOCK), archive)
    return engine, recorder


async def test_a_newer_file_of_ones_own_is_published_and_decides(channel: BundleChannel, tmp_path: Path) -> None:
    engine, recorder = await _started(channel, AUTHOR.archive(rules(6), 6), tmp_path)

    decision = await engine.decide(question("documents.read"))
    newest = (await channel.newest(1))[0]
    assert decision.reasons == ("rules 6",)
    assert (newest.version, newest.sequence, newest.published_by) == (2, 6, "gridwarden")
    assert [event["event"]["action"] for event in recorder.events] == [
        "policy_refused", "policy_published", "policy_loaded"]


@pytest.mark.parametrize(("bundle", "sequence", "why"), [
    (rules(4), 4, "its sequence 4 is not newer"),
    (REFUSED, 6, "(of the one it names now: p.rego compares by ="),
])
async def test_without_a_good_newer_one_the_start_says_what_to_do(
        channel: BundleChannel, tmp_path: Path, bundle: Bundle, sequence: int, why: str) -> None:
    with pytest.raises(RefusedBundleError, match="start with GRIDWARDEN_POLICY_BUNDLE naming") as refused:
        await _started(channel, AUTHOR.archive(bundle, sequence), tmp_path)

    assert re.search("version 1 of the channel.*compares by =", str(refused.value))
    assert why in str(refused.value)
    assert len(await channel.newest(5)) == 1
