"""Several processes on one database: increments add up, others' arrive, histories age, erasure reaches all."""

import asyncio

import asyncpg
import pytest

from policy_engine.domain.risk import COLD_START, RiskFeatures, values_of
from policy_engine.service import RiskScorer
from policy_engine.service.risk_memory import LEARNT_A_MINUTE, Memory
from policy_engine.store.risk_history import MOST_REQUESTS, RiskHistoryStore

NINE_US = 1_795_000_000_000_000 // 86_400_000_000 * 86_400_000_000 + 9 * 3_600_000_000
MINUTE_US = 60_000_000
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
AWAY = "203.0.113.9"


def _asked(number: int = 0, *, subject: str = "ana", source_ip: str = "198.51.100.7") -> RiskFeatures:
    """Return a request from home; from anywhere else a login, by which alone a place is learnt."""
    action = "" if source_ip == AWAY else "meters.read"
    return RiskFeatures(subject, source_ip, FIREFOX, NINE_US + number * MINUTE_US, action)


async def _process(pool: asyncpg.Pool) -> RiskScorer:
    scorer = RiskScorer(RiskHistoryStore(pool))
    await scorer.start()
    return scorer


async def _learn(scorer: RiskScorer, times: int, *, subject: str = "ana", source_ip: str = "198.51.100.7") -> None:
    for number in range(times):
        scorer.observe(_asked(number, subject=subject, source_ip=source_ip))


def _same(one: RiskScorer, other: RiskScorer) -> bool:
    return (one._memory.histories, one._memory.everyone) == (other._memory.histories, other._memory.everyone)


async def test_what_one_process_learns_makes_a_subject_familiar_in_another(app_pool: asyncpg.Pool) -> None:
    first, second = await _process(app_pool), await _process(app_pool)
    await _learn(first, 30)
    await first.flush()

    before = second.score(_asked())
    await second.sync()

    assert before.value == COLD_START
    assert second.score(_asked()) == first.score(_asked())
    assert _same(first, second)


async def test_increments_of_processes_that_write_at_once_add_up(app_pool: asyncpg.Pool) -> None:
    processes = [await _process(app_pool) for _ in range(4)]
    for number, process in enumerate(processes):
        await _learn(process, 10 + number)
        await _learn(process, 5, subject=f"only-{number}", source_ip=AWAY)
    await asyncio.gather(*(process.flush() for process in processes))

    for process in processes:
        await process.sync()

    stored = (await RiskHistoryStore(app_pool).load())["ana"]
    assert stored.requests == stored.of("address", "198.51.100.7") == 10 + 11 + 12 + 13
    assert all(_same(processes[0], process) for process in processes)


async def test_what_waits_here_comes_on_top_of_what_others_wrote(app_pool: asyncpg.Pool) -> None:
    first, second = await _process(app_pool), await _process(app_pool)
    await _learn(first, 7)
    await first.flush()
    await _learn(second, 3)

    await second.sync()
    await second.sync()
    seen = second._memory.of("ana").requests
    await second.flush()

    assert seen == second._memory.of("ana").requests == second._memory.of("ana").of("hour", "9") == 10


async def test_a_process_reads_only_what_changed(app_pool: asyncpg.Pool) -> None:
    first, second = await _process(app_pool), await _process(app_pool)
    for number in range(50):
        await _learn(first, 2, subject=f"s-{number}")
    await first.flush()
    await second.sync()
    await _learn(first, 1, subject="s-7")
    await first.flush()

    changes = await second._store.changes()

    assert set(changes.requests) == {"s-7"}


async def test_a_row_committed_late_is_not_missed(app_pool: asyncpg.Pool) -> None:
    first, second = await _process(app_pool), await _process(app_pool)
    async with app_pool.acquire() as slow:
        late = slow.transaction()
        await late.start()
        await slow.execute("INSERT INTO policy_engine.risk_subjects (subject, requests) VALUES ('late', 6)")
        await _learn(first, 3)
        await first.flush()
        await second.sync()
        await late.commit()

    await second.sync()

    assert second._memory.of("late").requests == 6
    assert second._memory.of("ana").requests == 3


async def test_an_old_history_is_halved_in_every_process_and_what_was_rare_goes(app_pool: asyncpg.Pool) -> None:
    first, second = await _process(app_pool), await _process(app_pool)
    await _learn(first, 40)
    await _learn(first, 1, source_ip=AWAY)
    await first.flush()
    await second.sync()
    await app_pool.execute("UPDATE policy_engine.risk_subjects SET aged_at = now() - interval '31 days'")

    aged = await first._store.age(), await first._store.age()
    await first.sync()
    await _learn(second, 1)
    await second.flush()
    await first.sync()

    assert aged == (1, 0)
    assert first._memory.of("ana").requests == 21
    assert first._memory.of("ana").of("address", AWAY) == 0
    assert _same(first, second)


async def test_a_history_that_counts_too_much_is_halved(app_pool: asyncpg.Pool) -> None:
    process = await _process(app_pool)
    await _learn(process, 10)
    await process.flush()
    await app_pool.execute("UPDATE policy_engine.risk_subjects SET requests = $1", MOST_REQUESTS + 2)

    aged = await process._store.age()

    assert aged == 1
    assert (await process._store.load())["ana"].requests == MOST_REQUESTS // 2 + 1


async def test_after_moving_house_the_old_place_fades(app_pool: asyncpg.Pool) -> None:
    process = await _process(app_pool)
    await _learn(process, 60)
    await process.flush()
    at_once = process.score(_asked(source_ip=AWAY)).value
    for _ in range(3):
        await _learn(process, 10, source_ip=AWAY)
        await process.flush()
        await app_pool.execute("UPDATE policy_engine.risk_subjects SET aged_at = now() - interval '31 days'")
        await process._store.age()
        await process.sync()

    assert process.score(_asked(source_ip=AWAY)).value < at_once
    assert process._memory.of("ana").of("address", "198.51.100.7") <= 60 // 8


async def test_a_forgotten_subject_is_forgotten_by_every_process_and_by_the_database(app_pool: asyncpg.Pool) -> None:
    first, second = await _process(app_pool), await _process(app_pool)
    await _learn(first, 30)
    await _learn(first, 30, subject="ben")
    await first.flush()
    await second.sync()
    await _learn(second, 2)

    await first.forget("ana")
    await second.sync()
    await second.flush()
    third = await _process(app_pool)

    assert all(process.score(_asked(source_ip=AWAY)).value == COLD_START for process in (first, second, third))
    assert set(second._memory.histories) == {"ben"}
    assert await app_pool.fetchval("SELECT count(*) FROM policy_engine.risk_counts WHERE subject = 'ana'") == 0
    assert await app_pool.fetchval("SELECT count(*) FROM policy_engine.risk_subjects WHERE subject = 'ana'") == 0
    assert second._memory.everyone == third._memory.everyone


async def test_the_trace_of_an_erasure_names_nobody_and_goes_after_a_day(app_pool: asyncpg.Pool) -> None:
    process = await _process(app_pool)
    await process.forget("ana")
    kept = await app_pool.fetchval("SELECT subject_hash FROM policy_engine.risk_erasures")

    await app_pool.execute("UPDATE policy_engine.risk_erasures SET erased_at = now() - interval '2 days'")
    await process._store.age()

    assert b"ana" not in kept
    assert await app_pool.fetchval("SELECT count(*) FROM policy_engine.risk_erasures") == 0


def test_a_flood_within_a_minute_is_not_as_familiar_as_it_is_long() -> None:
    memory = Memory()
    for _ in range(10_000):
        memory.learn("ana", values_of(_asked()), NINE_US)

    assert memory.of("ana").requests == LEARNT_A_MINUTE


@pytest.mark.parametrize("feature", ["address", "agent"])
def test_ten_thousand_values_fill_neither_memory_nor_database(feature: str) -> None:
    memory = Memory()
    for number in range(10_000):
        asked = RiskFeatures("ana", f"10.{number // 250}.{number % 250}.1" if feature == "address" else "10.0.0.1",
                             f"agent-{number}/1", NINE_US + number * MINUTE_US)
        memory.learn("ana", values_of(asked), asked.at_us)

    assert len(memory.of("ana").counts[feature]) == 512
    assert sum(key[1] == feature for key in memory.counts) == 512
