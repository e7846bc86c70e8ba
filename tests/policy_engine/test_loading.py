"""Bundles from a file: only the author's, never an older one, and no question ever meets half a policy."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from policy_engine.adapters.bundle_file import BundleFile
from policy_engine.adapters.regorus_evaluator import RegorusEvaluator
from policy_engine.domain.bundle import RefusedBundleError
from policy_engine.service import PolicyEngine
from policy_engine.service.membership import Membership, steady_us
from policy_engine.store.bundle_channel import BundleChannel
from tests.conftest import START_US
from tests.frozen_clock import FrozenClock
from tests.policy_engine.authors import Author, private_key, rules
from tests.policy_engine.house import ListRecorder, question

AUTHOR = Author(private_key())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the bundle is; rules 5 are in it."""
    path = tmp_path / "policy.tar.gz"
    put(path, 5)
    return path


def put(path: Path, number: int, *, sequence: int | None = None, author: Author = AUTHOR) -> None:
    """Bring rules to the file, as a deployment does: in one step."""
    beside = path.with_suffix(".new")
    beside.write_bytes(author.archive(rules(number), sequence or number))
    beside.replace(path)


def engine_of(pool: asyncpg.Pool, file: Path, recorder: ListRecorder | None = None) -> PolicyEngine:
    """Return a process that trusts the author."""
    key = AUTHOR.verification
    return PolicyEngine(RegorusEvaluator(), BundleFile(file, key), recorder or ListRecorder(), FrozenClock(START_US),
                        membership=Membership(BundleChannel(pool, steady_us), key))


async def reason(engine: PolicyEngine) -> str:
    """Return why the question of the rules is answered so."""
    return (await engine.decide(question("documents.read"))).reasons[0]


async def test_the_author_s_bundle_decides_and_tells_its_age(app_pool: asyncpg.Pool, file: Path) -> None:
    recorder = ListRecorder()
    engine = engine_of(app_pool, file, recorder)
    await engine.start()
    standing = engine.standing()

    assert await reason(engine) == "rules 5"
    assert (standing.name, standing.built_at_us, standing.sequence, standing.stale) == ("build 5", 5, 5, None)
    assert recorder.events[0]["grid"]["policy"]["sequence"] == 5


async def test_an_older_bundle_is_refused_and_the_last_good_one_goes_on(app_pool: asyncpg.Pool, file: Path) -> None:
    recorder = ListRecorder()
    engine = engine_of(app_pool, file, recorder)
    await engine.start()
    put(file, 4)
    await engine.reload()

    assert await reason(engine) == "rules 5"
    assert recorder.actions == ["policy_loaded", "policy_refused"]
    assert "brought back an old bundle" in (engine.standing().refused or "")


async def test_a_restart_does_not_forget_the_newest_bundle(app_pool: asyncpg.Pool, file: Path) -> None:
    await engine_of(app_pool, file).start()
    put(file, 4)

    with pytest.raises(RefusedBundleError, match="brought back an old bundle"):
        await engine_of(app_pool, file).start()


async def test_another_bundle_in_the_same_place_is_refused(app_pool: asyncpg.Pool, file: Path) -> None:
    engine = engine_of(app_pool, file)
    await engine.start()
    put(file, 6, sequence=5)
    await engine.reload()

    assert await reason(engine) == "rules 5"


async def test_a_stranger_s_bundle_is_refused(app_pool: asyncpg.Pool, file: Path) -> None:
    engine = engine_of(app_pool, file)
    await engine.start()
    put(file, 6, author=Author(private_key()))
    await engine.reload()

    assert await reason(engine) == "rules 5"
    assert "is not one of the key" in (engine.standing().refused or "")


async def test_no_question_meets_half_a_policy_while_bundles_change(app_pool: asyncpg.Pool, file: Path) -> None:
    engine = engine_of(app_pool, file)
    await engine.start()
    answers = [await reason(engine)]
    settled = asyncio.Event()

    async def ask() -> None:
        while not settled.is_set():
            answers.append(await reason(engine))
            await asyncio.sleep(0.001)  # who asks without a pause keeps the thread that reads from running

    asking = [asyncio.create_task(ask()) for _ in range(8)]
    for number in range(6, 12):
        put(file, number)
        await engine.reload()
    settled.set()
    await asyncio.gather(*asking)
    answers.append(await reason(engine))
    numbers = [int(answer.removeprefix("rules ")) for answer in answers]

    assert numbers == sorted(numbers)
    assert {5, 11} <= set(numbers) <= set(range(5, 12))


async def test_a_process_without_a_key_notices_that_policies_are_published(
        app_pool: asyncpg.Pool, file: Path) -> None:
    channel = BundleChannel(app_pool, steady_us)
    engine = PolicyEngine(RegorusEvaluator(), BundleFile(file), ListRecorder(), FrozenClock(START_US),
                          membership=Membership(channel, None))
    await engine.start()
    before = await reason(engine)
    bundle = BundleFile(file, AUTHOR.verification).read()
    await channel.publish(bundle, file.read_bytes(), by="ana")
    await engine.reload()

    assert before == "rules 5"
    assert (await reason(engine)).startswith("stale_policy: policies are published to this database")


async def test_without_a_key_a_database_that_is_away_stops_nobody(app_pool: asyncpg.Pool, file: Path) -> None:
    engine = PolicyEngine(RegorusEvaluator(), BundleFile(file), ListRecorder(), FrozenClock(START_US),
                          membership=Membership(BundleChannel(app_pool, steady_us), None))
    await engine.start()
    await app_pool.close()
    put(file, 6)
    await engine.reload()

    assert await reason(engine) == "rules 6"
