"""What a request costs the database: statements, counted by the driver."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from tests.identity.tokens.kit import basic, code_for, introspected, redemption, register, token
from tests.identity.world import World

CREDENTIALS = {"grant_type": "client_credentials"}
Counted = Callable[[Awaitable[object]], Awaitable[list[str]]]


@pytest.fixture
async def counted(world: World) -> AsyncIterator[Counted]:
    """Return a counter of the statements that something sends."""
    seen: list[str] = []
    connections = [await world.pool.acquire() for _ in range(world.pool.get_size())]
    for connection in connections:
        _listen(connection, seen)
        await world.pool.release(connection)

    async def count(work: Awaitable[object]) -> list[str]:
        seen.clear()
        await work
        return list(seen)

    yield count
    await world.pool.expire_connections()


def _listen(connection: asyncpg.pool.PoolConnectionProxy, seen: list[str]) -> None:
    def hear(record: asyncpg.connection.LoggedQuery) -> None:
        seen.append(" ".join(record.query.split())[:40])

    connection._con.add_query_logger(hear)


async def test_a_machine_s_token_is_one_statement(world: World, counted: Counted) -> None:
    """The design: one INSERT, no transaction around it; its client is remembered."""
    await token(world, CREDENTIALS, basic("machine", world.secret))

    found = await counted(token(world, CREDENTIALS, basic("machine", world.secret)))

    assert [each[:27] for each in found] == ["INSERT INTO identity.grants"]


async def test_twenty_machines_at_once_share_statements(world: World, counted: Counted) -> None:
    await token(world, CREDENTIALS, basic("machine", world.secret))

    found = await counted(asyncio.gather(*(
        token(world, CREDENTIALS, basic("machine", world.secret)) for _ in range(20))))

    assert len(found) < 10


async def test_a_token_seen_again_costs_nothing_and_a_new_one_a_look(world: World, counted: Counted) -> None:
    """The design: cached introspection asks no database, uncached one statement."""
    first, second = [(await world.tokens())["access_token"] for _ in range(2)]
    await introspected(world, first)

    again = await counted(introspected(world, first))
    fresh = await counted(introspected(world, second))

    assert again == []
    assert len(fresh) == 1


async def test_a_refresh_is_a_transaction_of_three(world: World, counted: Counted) -> None:
    """Claim, look at the grant, keep the new token."""
    who = await register(world, "site")
    first = (await token(world, redemption(await code_for(world, "site")), who)).json()

    found = await counted(token(world, {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}, who))

    statements = [each.split()[0] for each in found if each.split()[0] not in {"BEGIN;", "COMMIT;"}]
    assert statements == ["UPDATE", "SELECT", "INSERT"]


async def test_a_redemption_is_a_transaction_of_four(world: World, counted: Counted) -> None:
    """Claim, look at the grant, let it live on, keep the refresh token."""
    who = await register(world, "site")
    await token(world, redemption(await code_for(world, "site")), who)
    code = await code_for(world, "site")

    found = await counted(token(world, redemption(code), who))

    statements = [each.split()[0] for each in found if each.split()[0] not in {"BEGIN;", "COMMIT;"}]
    assert statements == ["UPDATE", "SELECT", "UPDATE", "INSERT"]
