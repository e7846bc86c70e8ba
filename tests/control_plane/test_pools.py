"""A pool's caller that is cancelled hears just that, whatever state the server is in."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest

from control_plane.database.pools import RELEASE_TIMEOUT_S, open_pool
from control_plane.database.roles import APP
from tests.conftest import DatabaseMaker


@pytest.fixture
async def pool(make_database: DatabaseMaker) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(await make_database("identity"), APP, size=2)
    yield opened
    opened.terminate()


@pytest.mark.parametrize("is_in_transaction", [False, True])
async def test_a_cancelled_caller_of_a_hanging_server_is_cancelled(
    pool: asyncpg.Pool, *, is_in_transaction: bool,
) -> None:
    async with pool.acquire() as connection:
        backend = connection.get_server_pid()

    async def sleep() -> None:
        async with pool.acquire() as held:
            if is_in_transaction:
                async with held.transaction():
                    await held.execute("SELECT pg_sleep(60)")
            await held.execute("SELECT pg_sleep(60)")

    sleeping = asyncio.create_task(sleep())
    await asyncio.sleep(0.3)
    os.kill(backend, signal.SIGSTOP)
    try:
        sleeping.cancel()
        await asyncio.wait((sleeping,), timeout=RELEASE_TIMEOUT_S * 3)

        assert sleeping.cancelled()
    finally:
        os.kill(backend, signal.SIGCONT)


async def test_a_cancellation_survives_a_rollback_that_cannot_be(pool: asyncpg.Pool) -> None:
    async def lose_the_server() -> None:
        async with pool.acquire() as connection, connection.transaction():
            connection.terminate()
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await lose_the_server()
