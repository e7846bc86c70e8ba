"""Clients and grants as they were at most two seconds ago."""

from dataclasses import replace

from identity.domain.oauth.errors import InvalidClientError
from tests.identity.tokens.kit import basic, error_of, introspected, register, token
from tests.identity.world import World

CREDENTIALS = {"grant_type": "client_credentials"}


async def test_a_client_stays_one_object_while_nothing_about_it_changes(world: World) -> None:
    known = world.provider._foundation.known_clients
    first = await known.get("machine")
    world.clock.advance(3)

    assert await known.get("machine") is first


async def test_a_secret_changed_elsewhere_is_known_within_two_seconds(world: World) -> None:
    await token(world, CREDENTIALS, basic("machine", world.secret))
    await world.pool.execute("UPDATE identity.clients SET secret_hash = decode(repeat('00', 32), 'hex')")
    world.clock.advance(2)

    assert error_of(await token(world, CREDENTIALS, basic("machine", world.secret))) == (401, "invalid_client")


async def test_a_secret_changed_here_is_known_at_once(world: World) -> None:
    await token(world, CREDENTIALS, basic("machine", world.secret))
    await world.provider.ensure_client("machine", redirect_uris=[], secret="n" * 43)

    assert error_of(await token(world, CREDENTIALS, basic("machine", world.secret))) == (401, "invalid_client")


async def test_a_new_client_is_known_at_once(world: World) -> None:
    assert await world.provider.clients.get("feeder") is None
    refused = await token(world, CREDENTIALS, basic("feeder", "x"))
    who = await register(world, "feeder", grants=frozenset({"client_credentials"}))

    assert error_of(refused) == (401, "invalid_client")
    assert (await token(world, CREDENTIALS, who)).status_code == 200


async def test_a_client_deleted_while_remembered_gets_no_token(world: World) -> None:
    """RFC 6749 section 5.2: its grant cannot be written, so nothing leaves."""
    await token(world, CREDENTIALS, basic("machine", world.secret))
    await world.pool.execute("DELETE FROM identity.clients WHERE id = 'machine'")

    answer = await token(world, CREDENTIALS, basic("machine", world.secret))

    assert error_of(answer) == (401, InvalidClientError().code)


async def test_a_state_stays_one_object_while_nothing_about_it_changes(world: World) -> None:
    states, now_us = world.provider._foundation.states, world.clock.now_us()
    issued = (await world.tokens())["access_token"]
    gid = (await introspected(world, issued)).json()["gid"]
    first = await states.of(gid, now_us)
    world.clock.advance(3)

    again = await states.of(gid, world.clock.now_us())
    assert again is first
    assert first is not None
    assert replace(first, user_roles=frozenset()) != first
