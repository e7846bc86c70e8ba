"""Several processes: in step through PostgreSQL where buckets run low, exactly through Redis."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import asyncpg
import psutil
import pytest
from redis.asyncio import Redis

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from policy_engine.adapters.redis_buckets import PREFIX, REST_US, RedisBuckets
from policy_engine.domain.limits.buckets import OwnBuckets
from policy_engine.domain.limits.gcra import Quota
from policy_engine.domain.limits.rules import By, Rule
from policy_engine.domain.limits.standing import Charge, RateLimitedError
from policy_engine.service.limits.exchange import Exchange
from policy_engine.store.rate_limits import SharedLimits
from shared_kernel.clock import SystemClock
from shared_kernel.errors import UnavailableError
from tests.conftest import DatabaseMaker
from tests.servers.redis import redis_server

CHARGE = Charge("few caller", Rule("few", By.SUBJECT, Quota(0.01, 10)))


async def taken(buckets: OwnBuckets | RedisBuckets, times: int, now_us: int) -> int:
    """Return how many of these requests were let in."""
    found = 0
    for _ in range(times):
        try:
            await buckets.charge([CHARGE], now_us)
        except RateLimitedError:
            continue
        found += 1
    return found


@pytest.fixture
async def pool(make_database: DatabaseMaker) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(await make_database("policy_engine"), APP, size=4)
    yield opened
    await opened.close()


async def test_what_one_process_charged_the_others_know_after_an_exchange(pool: asyncpg.Pool) -> None:
    clock, shared = SystemClock(), SharedLimits(pool)
    mine, yours = OwnBuckets(), OwnBuckets()
    ends = [Exchange(buckets, shared, clock) for buckets in (mine, yours)]
    await taken(mine, 8, clock.now_us())
    await taken(yours, 6, clock.now_us())

    for end in (*ends, *ends):
        await end.once()
    more = [await taken(buckets, 10, clock.now_us()) for buckets in (mine, yours)]

    assert sum(more) <= 20 - 14
    assert more[1] <= 4


async def test_a_process_far_from_its_limit_writes_nothing(pool: asyncpg.Pool) -> None:
    buckets = OwnBuckets()
    await taken(buckets, 5, SystemClock().now_us())

    await Exchange(buckets, SharedLimits(pool), SystemClock()).once()

    assert await pool.fetchval("SELECT count(*) FROM policy_engine.rate_limits") == 0


async def test_buckets_that_are_full_again_are_pruned(pool: asyncpg.Pool) -> None:
    shared = SharedLimits(pool)
    await shared.add({"gone": 1.0, "kept": 1e9})

    await asyncio.sleep(0.01)
    await shared.prune()

    assert await pool.fetchval("SELECT array_agg(key) FROM policy_engine.rate_limits") == ["kept"]


async def test_a_database_that_is_away_leaves_each_process_its_own_count(pool: asyncpg.Pool) -> None:
    clock, buckets = SystemClock(), OwnBuckets()
    await taken(buckets, 8, clock.now_us())
    await pool.close()

    with pytest.raises(UnavailableError):
        await Exchange(buckets, SharedLimits(pool), clock).once()

    assert await taken(buckets, 10, clock.now_us()) == 2


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.mark.redis
async def test_processes_on_one_redis_count_exactly(redis_url: str) -> None:
    ends = [RedisBuckets(redis_url, OwnBuckets()) for _ in range(3)]

    found = await asyncio.gather(*(taken(end, 10, 0) for end in ends))

    assert sum(found) == 10
    for end in ends:
        await end.aclose()


@pytest.mark.redis
async def test_redis_says_what_is_left_and_charges_all_or_none(redis_url: str) -> None:
    wide = Charge("wide", Rule("wide", By.CLIENT, Quota(1, 10)))
    narrow = Charge("thin", Rule("thin", By.SUBJECT, Quota(0.1, 1)))
    buckets = RedisBuckets(redis_url, OwnBuckets())

    [backlog, _] = await buckets.charge([wide, narrow], 0)
    for _ in range(5):
        with pytest.raises(RateLimitedError) as refused:
            await buckets.charge([wide, narrow], 0)
    [after] = await buckets.charge([wide], 0)
    await buckets.aclose()

    assert backlog == pytest.approx(1e6, rel=0.01)
    assert refused.value.charge is narrow
    assert refused.value.retry_after_s == 10
    assert after == pytest.approx(2e6, rel=0.3)


@pytest.mark.redis
async def test_without_redis_a_process_counts_by_itself_until_it_is_back() -> None:
    with redis_server() as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        buckets = RedisBuckets(url, OwnBuckets())
        assert await taken(buckets, 2, 0) == 2

    alone = await taken(buckets, 20, 1)

    with redis_server(port):
        assert await taken(buckets, 20, 2) == 0
        again = await taken(buckets, 20, 2 + REST_US)
        await buckets.aclose()
    assert (alone, again) == (8, 10)


@pytest.mark.redis
async def test_a_crowd_that_comes_at_once_is_counted_exactly_too(redis_url: str) -> None:
    charge = Charge("few crowd", CHARGE.rule)
    buckets = RedisBuckets(redis_url, OwnBuckets())

    told = await asyncio.gather(*(buckets.charge([charge], 0) for _ in range(300)), return_exceptions=True)
    await buckets.aclose()

    assert sum(not isinstance(each, RateLimitedError) for each in told) == 10


@pytest.mark.redis
async def test_a_redis_whose_clock_was_set_back_locks_nobody_out(redis_url: str) -> None:
    """Seen from the earlier hour, a bucket is to be full again far in the future."""
    charge = Charge("soon caller", Rule("soon", By.SUBJECT, Quota(20, 1)))
    async with Redis.from_url(redis_url) as redis, contextlib.aclosing(RedisBuckets(redis_url, OwnBuckets())) as ends:
        await redis.set(PREFIX + charge.key, (await redis.time())[0] * 1_000_000 + 3_600_000_000)
        with pytest.raises(RateLimitedError) as refused:
            await ends.charge([charge], 0)
        kept_ms = await redis.pttl(PREFIX + charge.key)

    assert refused.value.retry_after_s == 1
    assert 0 < kept_ms <= 51


@pytest.mark.redis
async def test_a_frozen_redis_costs_a_crowd_one_short_wait_and_gives_nobody_a_second_burst() -> None:
    charge = Charge("few frozen", CHARGE.rule)
    with redis_server() as url:
        async with Redis.from_url(url) as redis, contextlib.aclosing(RedisBuckets(url, OwnBuckets())) as buckets:
            process = psutil.Process((await redis.info("server"))["process_id"])
            for _ in range(6):
                await buckets.charge([charge], 0)
            process.suspend()
            async with asyncio.timeout(5):
                told = await asyncio.gather(*(buckets.charge([charge], 1) for _ in range(400)), return_exceptions=True)
            process.resume()

    assert sum(not isinstance(each, RateLimitedError) for each in told) == 4


@pytest.mark.parametrize("answer", [
    b":5", b"$-1", b"*0", b"+OK", b"*2\r\n:99\r\n$1\r\n0", b"*2\r\n:-1\r\n$1\r\n0", b"*1\r\n:0",
    b"*2\r\n:0\r\n$3\r\nnan", b"*2\r\n:1\r\n$3\r\ninf", b"*2\r\n:0\r\n$2\r\n-9", b"*2\r\n:1\r\n$5\r\n1e300",
    b"*3\r\n:0\r\n$1\r\n0\r\n$1\r\n0", b"*2\r\n*1\r\n:0\r\n$1\r\n0", b"*1\r\n" * 5_000, b"HTTP/1.1 400 Bad Request",
    b"-LOADING Redis is loading the dataset in memory", b"-NOAUTH Authentication required.",
], ids=["number", "nothing", "empty", "word", "no such charge", "minus one", "no backlog", "nan", "inf", "negative",
        "without end", "too many", "nested", "deep", "HTTP", "loading", "no password"])
async def test_a_redis_that_answers_nonsense_is_away(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            writer.write(answer + b"\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        async with contextlib.aclosing(RedisBuckets(url, OwnBuckets())) as buckets:
            found = await taken(buckets, 20, 0)

    assert found == 10
