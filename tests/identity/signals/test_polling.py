"""Events fetched by polling (RFC 8936): openid-ssf-transmitter-stream-verification-poll-*, -long-poll, -set-errs."""

import asyncio

from identity.domain.signals.events import VERIFICATION
from identity.service.signals.poll_desk import LONG_POLL_S
from tests.identity.signals.steps import event_of, listener, read
from tests.identity.world import ISSUER, World


async def test_a_verification_event_brings_the_state_back(world: World) -> None:
    """SSF 1.0 8.1.4; typ, no sub, no exp, txn: SSF 1.0 4.1."""
    rp = await listener(world)
    stream = await rp.create()

    answer = await rp.verify(state="c3RhdGU=")
    [(token_id, token)] = (await rp.poll())["sets"].items()

    header, claims = await read(world, token)
    assert answer.status_code == 204
    assert header["typ"] == "secevent+jwt"
    assert event_of(claims) == (VERIFICATION, {"state": "c3RhdGU="})
    assert claims["sub_id"] == {"format": "opaque", "id": stream["stream_id"]}
    assert (claims["iss"], claims["jti"]) == (ISSUER, token_id)
    assert isinstance(claims["txn"], str)
    assert claims.keys().isdisjoint({"sub", "exp"})


async def test_an_event_is_offered_until_it_is_acknowledged(world: World) -> None:
    """POLL_ONLY, then ACKNOWLEDGE_ONLY (RFC 8936 2.4.1, 2.4.2)."""
    rp = await listener(world)
    await rp.create()
    await rp.verify(state="1")

    first, second = await rp.poll(), await rp.poll()
    acknowledged = await rp.poll(ack=list(first["sets"]), maxEvents=0)
    after = await rp.poll()

    assert first["sets"].keys() == second["sets"].keys()
    assert acknowledged["sets"] == after["sets"] == {}


async def test_a_poll_acknowledges_and_asks_at_once(world: World) -> None:
    """POLL_AND_ACKNOWLEDGE (RFC 8936 2.4.3)."""
    rp = await listener(world)
    await rp.create()
    await rp.verify(state="1")
    first = await rp.poll()
    await rp.verify(state="2")

    second = await rp.poll(ack=list(first["sets"]))

    assert len(second["sets"]) == 1
    assert second["sets"].keys() != first["sets"].keys()


async def test_a_reported_error_is_taken_and_the_event_not_offered_again(world: World) -> None:
    """RFC 8936 2.4.4."""
    rp = await listener(world)
    await rp.create()
    await rp.verify()
    [token_id] = (await rp.poll())["sets"]

    reported = await rp.poll(setErrs={token_id: {"err": "invalid_request", "description": "no"}}, maxEvents=0)

    assert reported["sets"] == {}
    assert (await rp.poll())["sets"] == {}


async def test_no_more_comes_than_was_asked_for_and_the_rest_is_announced(world: World) -> None:
    """RFC 8936 2.3, 2.4: maxEvents and moreAvailable."""
    rp = await listener(world)
    await rp.create()
    for number in range(3):
        await rp.verify(state=str(number))

    some, every = await rp.poll(maxEvents=2), await rp.poll(maxEvents=3)

    assert (len(some["sets"]), some["moreAvailable"]) == (2, True)
    assert (len(every["sets"]), every["moreAvailable"]) == (3, False)


async def test_events_come_in_the_order_they_happened(world: World) -> None:
    rp = await listener(world)
    await rp.create()
    for number in range(4):
        await rp.verify(state=str(number))

    assert [event_of(claims)[1]["state"] for claims in await rp.heard()] == ["0", "1", "2", "3"]


async def test_a_long_poll_waits_for_an_event(world: World) -> None:
    """RFC 8936 2.5: openid-ssf-transmitter-stream-verification-long-poll."""
    rp = await listener(world)
    await rp.create()

    polling = asyncio.create_task(rp.poll(returnImmediately=False))
    await asyncio.sleep(0.3)
    waited = not polling.done()
    await rp.verify(state="late")
    async with asyncio.timeout(LONG_POLL_S):
        found = await polling

    assert waited
    assert len(found["sets"]) == 1


async def test_somebody_elses_event_cannot_be_acknowledged(world: World) -> None:
    rp, other = await listener(world), await listener(world, "other")
    await rp.create()
    await other.create()
    await rp.verify()
    [token_id] = (await rp.poll())["sets"]

    await other.poll(ack=[token_id], setErrs={token_id: {"err": "x"}})

    assert token_id in (await rp.poll())["sets"]


async def test_a_paused_stream_keeps_its_events(world: World) -> None:
    """SSF 1.0 8.1.2.1: openid-ssf-transmitter-paused-stream-holds-events."""
    rp = await listener(world)
    await rp.create()
    await rp.set_status("paused")

    asked = await rp.verify(state="held")
    while_paused = await rp.poll()
    await rp.set_status("enabled")

    assert asked.status_code == 204
    assert while_paused["sets"] == {}
    assert [event_of(claims)[1] for claims in await rp.heard()] == [{"state": "held"}]


async def test_a_disabled_stream_keeps_nothing(world: World) -> None:
    """SSF 1.0 8.1.2.1: openid-ssf-transmitter-disabled-stream-drops-events."""
    rp = await listener(world)
    await rp.create()
    await rp.verify(state="before")
    await rp.set_status("disabled")
    await rp.verify(state="while")
    while_disabled = await rp.poll()
    await rp.set_status("enabled")
    await rp.verify(state="after")

    assert while_disabled["sets"] == {}
    assert [event_of(claims)[1] for claims in await rp.heard()] == [{"state": "after"}]


async def test_a_receiver_that_fell_silent_is_paused_and_told(world: World) -> None:
    """SSF 1.0 8.1.1 inactivity_timeout, 8.1.5 stream-updated."""
    rp = await listener(world)
    stream = await rp.create()
    world.clock.advance(stream["inactivity_timeout"] + 1)

    paused = await world.provider.signals.courier.pause_silent()
    await rp.renew()
    [claims] = await rp.heard()

    kind, event = event_of(claims)
    assert paused == 1
    assert kind.endswith("/stream-updated")
    assert event["status"] == "paused"
    assert world.recorder.of("signal_stream_changed")[-1]["user"]["name"] == "gridwarden"

