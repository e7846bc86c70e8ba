"""What the transmitter of security events must refuse."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from identity.domain.signals.streams import PUSH
from tests.frozen_clock import FrozenClock
from tests.identity.receiver import reaching_world
from tests.identity.signals.steps import ADD, STATUS, STREAM, VERIFY, Listener, listener
from tests.identity.world import ISSUER, World

POLL_PATH = "/signals/poll/x"
READS = (("GET", STREAM), ("GET", STATUS), ("POST", POLL_PATH))
WRITES = (("POST", STREAM), ("PATCH", STREAM), ("PUT", STREAM), ("DELETE", STREAM), ("POST", STATUS), ("POST", VERIFY),
          ("POST", ADD), ("POST", "/signals/subjects/remove"))
NAMING = tuple(each for each in WRITES if each not in {("POST", STREAM), ("DELETE", STREAM)})
"""The calls that name their stream in the body."""

UNFIT_STREAMS: list[dict[str, Any]] = [
    {"delivery": {"method": "urn:example:carrier-pigeon"}}, {"delivery": "push"}, {"delivery": {"method": PUSH}},
    {"delivery": {"method": PUSH, "endpoint_url": "http://receiver.example/"}},
    {"delivery": {"method": PUSH, "endpoint_url": "https://169.254.169.254/latest"}},
    {"delivery": {"method": PUSH, "endpoint_url": "https://10.0.0.1/"}},
    {"delivery": {"method": PUSH, "endpoint_url": "https://user@receiver.example/"}},
    {"delivery": {"method": PUSH, "endpoint_url": "file:///etc/passwd"}},
    {"delivery": {"method": PUSH, "endpoint_url": "https://r.example/", "authorization_header": "a\r\nX-Evil: 1"}},
    {"delivery": {"method": PUSH, "endpoint_url": "https://r.example/", "authorization_header": ""}},
    {"events_requested": "all"}, {"events_requested": [1]}, {"events_requested": ["x"] * 65}, {"description": 1},
]
NOT_THEIRS: list[dict[str, Any]] = [
    {"iss": "https://evil.example"}, {"aud": ["somebody"]}, {"events_supported": []}, {"events_delivered": ["x"]},
    {"min_verification_interval": 0},
]
MALFORMED_POLLS: list[dict[str, Any]] = [
    {"maxEvents": -1}, {"maxEvents": "1"}, {"maxEvents": True}, {"returnImmediately": "yes"}, {"ack": "x"},
    {"ack": [1]}, {"setErrs": []}, {"setErrs": {"x": "err"}}, {"setErrs": {"x": {"description": "no code"}}},
    {"ack": ["x"] * 1_001},
]


@pytest.fixture
async def world(app_pool: asyncpg.Pool, clock: FrozenClock, tmp_path: Path) -> AsyncIterator[World]:
    """A provider that may call loopback."""
    async with reaching_world(app_pool, clock, tmp_path) as found:
        yield found


async def test_nobody_manages_a_stream_without_a_token(world: World) -> None:
    """SSF 1.0 8.1.1: 401; openid-ssf-*-with-invalid-access-token, -without-access-token, -token-in-uri-query."""
    ways: tuple[dict[str, Any], ...] = (
        {}, {"headers": {"Authorization": "Bearer nonsense"}}, {"params": {"access_token": "x"}})

    async with world.browser() as http:
        answers = [await http.request(method, path, json={}, **way) for method, path in READS + WRITES for way in ways]

    assert [answer.status_code for answer in answers] == [401] * 33


async def test_a_token_for_reading_changes_nothing(world: World) -> None:
    """CAEP Interoperability Profile 2.7.3: 403; openid-ssf-stream-control-error-create-stream-with-read-only-token."""
    rp = await listener(world, scope="ssf.read")

    answers = [await rp.call(method, path, {}) for method, path in WRITES]

    assert [(answer.status_code, answer.json()["kind"]) for answer in answers] == [(403, "forbidden")] * 8


async def test_a_token_for_something_else_reads_nothing(world: World) -> None:
    """RFC 6750 section 3.1: insufficient_scope."""
    answer = await world.post("/oauth2/token", {"grant_type": "client_credentials"}, auth=("machine", world.secret))
    stranger = Listener(world, "machine", world.secret)
    stranger.token = answer.json()["access_token"]

    assert [(await stranger.call(method, path, {})).status_code for method, path in READS] == [403, 403, 403]


async def test_a_second_stream_is_a_conflict(world: World) -> None:
    """SSF 1.0 8.1.1.1: 409; openid-ssf-stream-control-error-create-stream-with-duplicate-config."""
    rp = await listener(world)
    await rp.create()

    assert (await rp.call("POST", STREAM, {})).status_code == 409


async def test_an_unknown_stream_is_not_found(world: World) -> None:
    """SSF 1.0 8.1: 404; openid-ssf-*-unknown-stream. Another receiver's stream is unknown too."""
    rp, other = await listener(world), await listener(world, "other")
    stream = await other.create()
    body: dict[str, Any] = {"status": "paused", "subject": {"format": "opaque", "id": "x"}}

    unknown, foreign = [
        [await rp.call(method, path, body | {"stream_id": stream_id}) for method, path in NAMING]
        for stream_id in ("nothing", stream["stream_id"])]

    assert [answer.status_code for answer in unknown + foreign] == [404] * 12
    assert [answer.json() for answer in unknown] == [answer.json() for answer in foreign]


async def test_an_unknown_stream_is_neither_read_nor_deleted_nor_polled(world: World) -> None:
    """SSF 1.0 8.1.1.2, 8.1.1.5: 404."""
    rp, other = await listener(world), await listener(world, "other")
    await rp.create()
    params = {"stream_id": (await other.create())["stream_id"]}

    answers = [await rp.call("GET", STREAM, params=params), await rp.call("DELETE", STREAM, params=params),
               await rp.call("GET", STATUS, params=params),
               await rp.call("POST", f"/signals/poll/{params['stream_id']}", {})]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert await world.pool.fetchval("SELECT count(*) FROM identity.signal_streams") == 2


async def test_a_body_that_is_no_json_object_is_refused(world: World) -> None:
    """SSF 1.0 8.1: 400; openid-ssf-*-invalid-body, -broken-input."""
    rp = await listener(world)
    async with world.browser() as http:
        answers = [await http.request(method, path, content=text, headers={"Authorization": f"Bearer {rp.token}"})
                   for method, path in (("POST", STREAM), *NAMING)
                   for text in (b'{"stream_id": ', b"[]", b"", b'{"a": 1, "a": 2}', b"[" * 500, b"\xff")]

    assert [answer.status_code for answer in answers] == [400] * 42


async def test_an_unfit_stream_is_refused(world: World) -> None:
    """SSF 1.0 8.1.1.1: 400. No place inside our networks, and no header smuggled into the push."""
    rp = await listener(world)

    statuses = [(await rp.call("POST", STREAM, asked)).status_code for asked in UNFIT_STREAMS]

    assert statuses == [400] * 14
    assert (await rp.call("GET", STREAM)).json() == []


async def test_what_is_the_transmitters_to_say_cannot_be_changed(world: World) -> None:
    """SSF 1.0 8.1.1.3, 8.1.1.4: 400 when a transmitter-supplied property is not what it is."""
    rp = await listener(world)
    stream = await rp.create()

    answers = [await rp.call(method, STREAM, {"stream_id": stream["stream_id"]} | changed)
               for method in ("PATCH", "PUT") for changed in NOT_THEIRS]

    assert [answer.status_code for answer in answers] == [400] * 10


async def test_an_unknown_status_is_refused(world: World) -> None:
    """SSF 1.0 8.1.2.2: 400."""
    rp = await listener(world)
    stream = await rp.create()

    answers = [await rp.call("POST", STATUS, {"stream_id": stream["stream_id"], "status": status})
               for status in ("off", None, 1, ["paused"])]

    assert [answer.status_code for answer in answers] == [400] * 4


async def test_verification_is_not_asked_for_all_the_time(world: World) -> None:
    """SSF 1.0 8.1.4.2: 429 within min_verification_interval."""
    rp = await listener(world)
    stream = await rp.create()
    await rp.verify()

    answer = await rp.call("POST", VERIFY, {"stream_id": stream["stream_id"]})

    assert answer.status_code == 429


async def test_a_malformed_poll_is_refused(world: World) -> None:
    """RFC 8936 section 2.4.1: 400."""
    rp = await listener(world)
    path = (await rp.create())["delivery"]["endpoint_url"].removeprefix(ISSUER)

    statuses = [(await rp.call("POST", path, asked)).status_code for asked in MALFORMED_POLLS]

    assert statuses == [400] * 10


async def test_a_pushed_stream_has_no_poll_endpoint(world: World) -> None:
    """RFC 8936 section 2: events are fetched where the stream says, or nowhere."""
    rp = await listener(world)
    stream = await rp.create(delivery={"method": PUSH, "endpoint_url": "https://receiver.example/"})

    answer = await rp.call("POST", f"/signals/poll/{stream['stream_id']}", {})

    assert answer.status_code == 404


async def test_a_security_event_token_passes_for_nothing_else(world: World) -> None:
    """RFC 8417 section 4, RFC 8725 section 3.11: its type keeps it apart from access and ID tokens."""
    rp = await listener(world)
    await rp.create()
    await rp.verify()
    [token] = (await rp.poll())["sets"].values()

    as_token = await world.userinfo(token)
    as_hint = await world.get("/oauth2/logout", params={"id_token_hint": token})

    assert (as_token.status_code, as_hint.status_code) == (401, 400)
