"""Whatever takes rights away is heard of by every process on the database, in the transaction that takes them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest

from control_plane.continuous.changes import Changes, tell
from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from tests.conftest import DatabaseMaker

SOON_S = 5.0
PEOPLE = """
INSERT INTO identity.users (id, name, password_hash, roles, created_at_us)
    VALUES ('u-1', 'vera', 'x', '{grid_viewer}', 0);
INSERT INTO identity.clients (id, name, grant_types, scopes, created_at_us) VALUES ('c-1', 'app', '{}', '{}', 0);
INSERT INTO identity.sessions (id, secret_hash, user_id, authenticated_at_us, expires_at_us, source_ip, user_agent)
    VALUES ('s-1', decode(repeat('00', 32), 'hex'), 'u-1', 0, 4000000000000000, '', '');
INSERT INTO identity.grants (id, client_id, user_id, session_id, scopes, created_at_us, expires_at_us)
    VALUES ('g-1', 'c-1', 'u-1', 's-1', '{}', 0, 4000000000000000)"""


class Ear:
    """One process that listens; keeps what it heard."""

    def __init__(self, url: str) -> None:
        self.changes = Changes(url)
        self.said: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.gaps = 0
        for topic in ("grant", "session", "subject", "client", "risk"):
            self.changes.when(topic, partial(self._heard, topic))
        self.changes.when_missed(self._missed)

    def _heard(self, topic: str, key: str) -> None:
        self.said.put_nowait((topic, key))

    def _missed(self) -> None:
        self.gaps += 1

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.changes.run())
        await self.hearing()
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def hearing(self) -> None:
        async with asyncio.timeout(SOON_S):
            while self.changes.is_deaf:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)

    async def next(self) -> tuple[str, str]:
        async with asyncio.timeout(SOON_S):
            return await self.said.get()


@pytest.fixture
async def url(make_database: DatabaseMaker) -> str:
    return await make_database("identity")


@pytest.fixture
async def pool(url: str) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(url, APP, size=2)
    await opened.execute(PEOPLE)
    yield opened
    await opened.close()


@pytest.mark.parametrize(("statement", "told"), [
    ("UPDATE identity.grants SET revoked_at_us = 1, revoked_reason = 'test'", ("grant", "g-1")),
    ("DELETE FROM identity.grants", ("grant", "g-1")),
    ("UPDATE identity.sessions SET ended_at_us = 1", ("session", "s-1")),
    ("UPDATE identity.users SET status = 'locked'", ("subject", "u-1")),
    ("UPDATE identity.users SET roles = '{}'", ("subject", "u-1")),
    ("UPDATE identity.clients SET roles = '{admin}'", ("client", "c-1")),
])
async def test_taking_rights_away_is_told_to_every_process(
        url: str, pool: asyncpg.Pool, statement: str, told: tuple[str, str]) -> None:
    ears = Ear(url), Ear(url)
    async with ears[0].listening(), ears[1].listening():
        await pool.execute(statement)

        assert [await ear.next() for ear in ears] == [told, told]


@pytest.mark.parametrize("statement", [
    "UPDATE identity.grants SET expires_at_us = 4000000000000001",
    "UPDATE identity.users SET name = 'vera.viewer'",
    "UPDATE identity.sessions SET seen_at_us = 5",
])
async def test_what_takes_nothing_away_is_not_told(url: str, pool: asyncpg.Pool, statement: str) -> None:
    ear = Ear(url)
    async with ear.listening():
        await pool.execute(statement)
        await tell(pool, "risk", "g-9 88")

        assert await ear.next() == ("risk", "g-9 88")


async def test_a_change_that_is_rolled_back_is_not_told(url: str, pool: asyncpg.Pool) -> None:
    ear = Ear(url)
    async with ear.listening():
        with contextlib.suppress(ZeroDivisionError):
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("UPDATE identity.users SET status = 'locked'")
                raise ZeroDivisionError
        await tell(pool, "risk", "g-9 88")

        assert await ear.next() == ("risk", "g-9 88")


async def test_a_lost_connection_is_a_gap_until_it_is_back(url: str, pool: asyncpg.Pool, postgres_url: str) -> None:
    ear = Ear(url)
    async with ear.listening():
        before = ear.gaps
        admin = await asyncpg.connect(postgres_url)
        name = url.partition("?")[0].rpartition("/")[2]

        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND query LIKE '%LISTEN%' "
            "OR (datname = $1 AND query = 'SELECT')", name)
        async with asyncio.timeout(SOON_S):
            while ear.gaps < before + 2:  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.01)
        await ear.hearing()

        await tell(pool, "risk", "g-1 90")
        assert await ear.next() == ("risk", "g-1 90")
        await admin.close()


async def test_nonsense_and_unknown_topics_are_dropped(url: str, pool: asyncpg.Pool) -> None:
    ear = Ear(url)
    async with ear.listening():
        for payload in ("", "nothing", "weather sunny", "grant"):
            await pool.execute("SELECT pg_notify('gridwarden_changes', $1)", payload)
        await tell(pool, "risk", "g-1 90")

        assert [await ear.next(), await ear.next()] == [("grant", ""), ("risk", "g-1 90")]
