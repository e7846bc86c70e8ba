"""Events pushed to a receiver's real server (RFC 8935).

Modules openid-ssf-transmitter-stream-verification-push, -push-no-auth.
"""

import asyncio

from identity.domain.deliveries import MAX_TRIES
from identity.domain.signals.streams import PUSH
from tests.identity.receiver import Receiver
from tests.identity.signals.steps import AUTHORIZATION, STREAM, event_of, listener, read
from tests.identity.world import World


async def test_an_event_is_pushed_with_the_receivers_authorization(world: World, receiver: Receiver) -> None:
    receiver.answer = 202
    rp = await listener(world)
    await rp.listen(receiver)
    await rp.verify(state="s")

    count = await world.provider.signals.courier.deliver_due()

    [sent] = receiver.received
    _, claims = await read(world, sent.body)
    assert count == 1
    assert sent.path == "/push"
    assert sent.headers["Authorization"] == AUTHORIZATION
    assert sent.headers["Content-Type"] == "application/secevent+jwt"
    assert sent.headers["Accept"] == "application/json"
    assert event_of(claims)[1] == {"state": "s"}
    assert await world.pool.fetchval("SELECT count(*) FROM identity.signal_events") == 0


async def test_without_an_authorization_none_is_sent(world: World, receiver: Receiver) -> None:
    """openid-ssf-transmitter-push-no-auth."""
    rp = await listener(world)
    await rp.create(delivery={"method": PUSH, "endpoint_url": f"{receiver.url}/push"})
    await rp.verify()

    await world.provider.signals.courier.deliver_due()

    assert "Authorization" not in receiver.received[0].headers


async def test_a_receiver_that_is_down_gets_the_same_token_later(world: World, receiver: Receiver) -> None:
    receiver.answers = [503, 401]
    rp = await listener(world)
    await rp.listen(receiver)
    await rp.verify()

    for _ in range(4):
        await world.provider.signals.courier.deliver_due()
        world.clock.advance(120)

    claims = [(await read(world, sent.body))[1] for sent in receiver.received]
    assert len(claims) == 3
    assert claims[0] == claims[1] == claims[2]


async def test_a_token_the_receiver_cannot_use_is_dropped(world: World, receiver: Receiver) -> None:
    """RFC 8935 2.4: 400 with an error code."""
    receiver.answer = 400
    rp = await listener(world)
    await rp.listen(receiver)
    await rp.verify()

    await world.provider.signals.courier.deliver_due()

    assert await world.pool.fetchval("SELECT count(*) FROM identity.signal_events") == 0


async def test_a_receiver_that_never_answers_is_paused_and_loses_nothing(world: World, receiver: Receiver) -> None:
    receiver.answer = 500
    rp = await listener(world)
    await rp.listen(receiver)
    await rp.verify(state="kept")
    for _ in range(MAX_TRIES):
        await world.provider.signals.courier.deliver_due()
        world.clock.advance(3_700)
    paused = await world.pool.fetchval("SELECT status FROM identity.signal_streams")
    receiver.answer, before = 202, len(receiver.received)

    await rp.renew()
    await rp.set_status("enabled")
    await world.provider.signals.courier.deliver_due()

    claims = [(await read(world, sent.body))[1] for sent in receiver.received[before:]]
    assert paused == "paused"
    assert {"state": "kept"} in [event_of(each)[1] for each in claims]
    assert await world.pool.fetchval("SELECT count(*) FROM identity.signal_events") == 0


async def test_nothing_is_pushed_while_paused(world: World, receiver: Receiver) -> None:
    rp = await listener(world)
    await rp.listen(receiver)
    await rp.set_status("paused")
    await rp.verify()

    assert await world.provider.signals.courier.deliver_due() == 0
    await rp.set_status("enabled")
    assert await world.provider.signals.courier.deliver_due() == 1


async def test_twenty_couriers_push_an_event_once(world: World, receiver: Receiver) -> None:
    rp = await listener(world)
    await rp.listen(receiver)
    await rp.verify()

    counts = await asyncio.gather(*(world.provider.signals.courier.deliver_due() for _ in range(20)))

    assert (sum(counts), len(receiver.received)) == (1, 1)


async def test_the_courier_runs_by_itself(world: World, receiver: Receiver) -> None:
    rp = await listener(world)
    await rp.listen(receiver)
    running = asyncio.create_task(world.provider.signals.courier.run())
    await world.provider.revoke_sessions("alice", by="admin")

    async with asyncio.timeout(60):
        await receiver.arrived.wait()
    running.cancel()

    assert len(receiver.received) == 1


async def test_a_stream_that_turns_to_polling_keeps_what_waits(world: World, receiver: Receiver) -> None:
    rp = await listener(world)
    stream = await rp.listen(receiver)
    await rp.verify(state="s")

    rp.stream = (await rp.call("PUT", STREAM, {"stream_id": stream["stream_id"]})).json()

    assert [event_of(claims)[1] for claims in await rp.heard()] == [{"state": "s"}]
