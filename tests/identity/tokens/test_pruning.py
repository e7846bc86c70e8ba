"""What can matter no more goes, in batches; what still tells of a replay stays."""

from identity.service import provider as of_provider
from tests.identity.tokens.kit import DEVICE, code_for, register, token
from tests.identity.tokens.test_device import begin, box
from tests.identity.world import World

DAY_S = 86_400


async def rows(world: World, table: str) -> int:
    found: int = await world.pool.fetchval(f"SELECT count(*) FROM identity.{table}")  # noqa: S608 - our own names
    return found


async def test_ended_grants_go_with_their_codes_and_refresh_tokens(world: World) -> None:
    await world.tokens()
    await code_for(world, "app")
    world.clock.advance(2 * DAY_S)

    await world.provider.prune()

    assert [await rows(world, table) for table in ("grants", "codes", "refresh_tokens", "sessions")] == [0] * 4


async def test_what_may_still_be_replayed_stays(world: World) -> None:
    """RFC 6749 section 4.1.2: a code that comes back must still be known."""
    await world.tokens()

    await world.provider.prune()

    assert [await rows(world, table) for table in ("grants", "codes", "refresh_tokens")] == [1] * 3


async def test_devices_their_tries_pushed_requests_and_proofs_go(world: World) -> None:
    await box(world)
    await begin(world)
    now_us = world.clock.now_us()
    await world.pool.execute("INSERT INTO identity.device_attempts VALUES ('t', 's', '192.0.2.7', $1)", now_us)
    await world.pool.execute("INSERT INTO identity.seen_proofs VALUES ('dpop', '\\x00', $1)", now_us)
    world.clock.advance(2 * DAY_S)

    await world.provider.prune()

    assert [await rows(world, table) for table in ("device_codes", "device_attempts", "seen_proofs")] == [0] * 3


async def test_more_than_a_batch_goes_batch_by_batch(world: World) -> None:
    """The design: no statement holds many locks for long."""
    many = 2 * of_provider.PRUNE_BATCH + 1
    await world.pool.execute(
        """INSERT INTO identity.grants (id, client_id, scopes, created_at_us, expires_at_us)
        SELECT n::text, 'machine', '{}', 1, 1 FROM generate_series(1, $1) n""", many)

    assert await world.provider.prune() >= many


async def test_a_pruned_device_code_is_unknown(world: World) -> None:
    await register(world, "other", grants=frozenset({DEVICE}), public=True)
    await box(world)
    begun = await begin(world)
    world.clock.advance(2 * DAY_S)
    await world.provider.prune()

    answer = await token(world, {"grant_type": DEVICE, "device_code": begun["device_code"], "client_id": "box"}, {})

    assert answer.json()["error"] == "invalid_grant"
