"""Stream management (SSF 1.0 8.1), by the modules openid-ssf-stream-control-* and -subject-control."""

from typing import Any

import pytest

from identity.domain.signals.events import CREDENTIAL_CHANGE, SESSION_REVOKED, SUPPORTED
from identity.domain.signals.streams import INACTIVITY_TIMEOUT_S, POLL, PUSH
from tests.identity.receiver import Receiver
from tests.identity.signals.steps import ADD, AUTHORIZATION, REMOVE, STATUS, STREAM, listener
from tests.identity.world import ISSUER, World

UNKNOWN = "https://example.com/event-type/unheard-of"


async def test_the_transmitter_says_what_it_is(world: World) -> None:
    """openid-ssf-transmitter-metadata; SSF 1.0 7.1, CAEP Interoperability Profile 2.3."""
    found = (await world.get("/.well-known/ssf-configuration")).json()

    assert (found["spec_version"], found["issuer"]) == ("1_0", ISSUER)
    assert found["delivery_methods_supported"] == [PUSH, POLL]
    assert found["authorization_schemes"] == [{"spec_urn": "urn:ietf:rfc:6749"}]
    assert found["default_subjects"] == "ALL"
    endpoints = [name for name in found if name.endswith(("_endpoint", "_uri"))]
    assert len(endpoints) == 6
    assert all(found[name].startswith(f"{ISSUER}/") for name in endpoints)


async def test_the_resource_says_which_scopes_it_takes(world: World) -> None:
    """RFC 9728; CAEP Interoperability Profile 2.7.3."""
    found = (await world.get("/.well-known/oauth-protected-resource")).json()

    assert (found["resource"], found["authorization_servers"]) == (ISSUER, [ISSUER])
    assert found["scopes_supported"] == ["ssf.read", "ssf.manage"]


async def test_a_stream_is_created_with_all_that_is_required(world: World, receiver: Receiver) -> None:
    rp = await listener(world)

    stream = await rp.listen(receiver, description="for tests")

    assert stream["iss"] == ISSUER
    assert stream["aud"] == ["rp"]
    assert stream["delivery"] == {"method": PUSH, "endpoint_url": f"{receiver.url}/push"}
    assert set(stream["events_supported"]) == set(SUPPORTED)
    assert stream["description"] == "for tests"
    assert isinstance(stream["min_verification_interval"], int)
    assert stream["stream_id"]


async def test_without_a_delivery_the_receiver_polls(world: World) -> None:
    """openid-ssf-stream-control-create-stream-without-delivery."""
    stream = await (await listener(world)).create()

    assert stream["delivery"]["method"] == POLL
    assert stream["delivery"]["endpoint_url"] == f"{ISSUER}/signals/poll/{stream['stream_id']}"


async def test_events_nobody_has_are_ignored(world: World) -> None:
    """SSF 1.0 8.1.1: events_delivered is among those requested and those supported."""
    stream = await (await listener(world)).create(events_requested=[UNKNOWN, SESSION_REVOKED])

    assert stream["events_requested"] == [UNKNOWN, SESSION_REVOKED]
    assert stream["events_delivered"] == [SESSION_REVOKED]


async def test_streams_are_read_one_by_one_or_all_at_once(world: World) -> None:
    rp = await listener(world)
    before = await rp.call("GET", STREAM)
    stream = await rp.create()

    one = await rp.call("GET", STREAM, params={"stream_id": stream["stream_id"]})
    every = await rp.call("GET", STREAM)

    assert before.json() == []
    assert one.json() == stream
    assert every.json() == [stream]
    assert one.headers["cache-control"] == "no-store"


async def test_an_update_changes_what_it_names_and_nothing_else(world: World, receiver: Receiver) -> None:
    """SSF 1.0 8.1.1.3."""
    rp = await listener(world)
    stream = await rp.listen(receiver, description="first")

    answer = await rp.call("PATCH", STREAM, {"stream_id": stream["stream_id"], "events_requested": [CREDENTIAL_CHANGE]})

    assert answer.json() == stream | {"events_requested": [CREDENTIAL_CHANGE], "events_delivered": [CREDENTIAL_CHANGE]}
    assert (await rp.call("GET", STREAM)).json() == [answer.json()]


async def test_a_replacement_takes_back_what_it_leaves_out(world: World, receiver: Receiver) -> None:
    """SSF 1.0 8.1.1.4: openid-ssf-stream-control-happy-path, the reducing replace."""
    rp = await listener(world)
    stream = await rp.listen(receiver, description="first")

    answer = await rp.call("PUT", STREAM, {"stream_id": stream["stream_id"]})

    assert "description" not in answer.json()
    assert answer.json()["events_requested"] == answer.json()["events_delivered"] == []
    assert answer.json()["delivery"]["method"] == POLL
    assert answer.json()["inactivity_timeout"] == INACTIVITY_TIMEOUT_S


async def test_what_the_transmitter_supplied_may_come_back(world: World) -> None:
    """SSF 1.0 8.1.1.3: a receiver may send the whole document it read."""
    rp = await listener(world)
    stream = await rp.create()

    answer = await rp.call("PUT", STREAM, stream | {"unheard_of": 1})

    assert (answer.status_code, answer.json()) == (200, stream)


async def test_a_stream_is_deleted_with_all_that_waits(world: World) -> None:
    rp = await listener(world)
    stream = await rp.create()
    await rp.verify()

    answer = await rp.call("DELETE", STREAM, params={"stream_id": stream["stream_id"]})

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await rp.call("GET", STREAM)).json() == []
    assert await world.pool.fetchval("SELECT count(*) FROM identity.signal_events") == 0


@pytest.mark.parametrize("status", ["paused", "disabled", "enabled"])
async def test_a_status_is_read_and_changed(world: World, status: str) -> None:
    rp = await listener(world)
    stream = await rp.create()

    before = await rp.call("GET", STATUS, params={"stream_id": stream["stream_id"]})
    changed = await rp.set_status(status, reason="because")
    after = await rp.call("GET", STATUS, params={"stream_id": stream["stream_id"]})

    assert before.json() == {"stream_id": stream["stream_id"], "status": "enabled"}
    assert changed.json() == after.json() == {"stream_id": stream["stream_id"], "status": status, "reason": "because"}


@pytest.mark.parametrize("subject", [
    {"format": "email", "email": "somebody@example.com"},
    {"format": "iss_sub", "iss": ISSUER, "sub": "u-1"},
    {"format": "opaque", "id": "x"},
    {"format": "complex", "user": {"format": "email", "email": "a@b.c"}, "tenant": {"format": "opaque", "id": "t"}},
])
async def test_subjects_are_added_and_removed_whether_known_or_not(world: World, subject: dict[str, Any]) -> None:
    """openid-ssf-stream-subject-control: 200 and 204, with no word about who exists (SSF 1.0 9.1)."""
    rp = await listener(world)
    stream = await rp.create()

    added = await rp.call("POST", ADD, {"stream_id": stream["stream_id"], "subject": subject, "verified": True})
    removed = await rp.call("POST", REMOVE, {"stream_id": stream["stream_id"], "subject": subject})

    assert [(answer.status_code, answer.content) for answer in (added, removed)] == [(200, b""), (204, b"")]


async def test_every_change_is_sealed_and_no_secret_with_it(world: World, receiver: Receiver) -> None:
    rp = await listener(world)

    await rp.listen(receiver)
    await rp.set_status("paused")

    assert [event["grid"]["signals"]["change"] for event in world.recorder.of("signal_stream_changed")] == [
        "created", "paused"]
    assert AUTHORIZATION not in str(world.recorder.events)


async def test_the_receivers_secret_is_sealed_at_rest(world: World, receiver: Receiver) -> None:
    await (await listener(world)).listen(receiver)

    assert AUTHORIZATION not in await world.pool.fetchval("SELECT settings::text FROM identity.signal_streams")


async def test_a_change_that_cannot_be_sealed_does_not_stand(world: World) -> None:
    rp = await listener(world)
    await rp.create()
    world.recorder.is_down = True

    answer = await rp.set_status("disabled")

    assert answer.status_code == 503
    assert await world.pool.fetchval("SELECT status FROM identity.signal_streams") == "enabled"
