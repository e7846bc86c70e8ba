"""Open streams are judged again, and end within a second when they may no longer be."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message
from starlette.websockets import WebSocket

from control_plane.continuous.streams import AT_ONCE, UNDECIDABLE, Ending
from control_plane.continuous.verification import Verification
from control_plane.gateway.judge import Asked
from control_plane.gateway.verdict import Verdict
from shared_kernel.credentials import Credentials
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import UnauthenticatedError, UnavailableError
from shared_kernel.principal import Principal
from tests.control_plane.gateway_city import PEOPLE, START_US, City, Ruling, Tokens, watchful
from tests.frozen_clock import FrozenClock

SOON_S = 1.0
VIEWER = replace(PEOPLE["Bearer viewer"], grant_id="g-1", session_id="s-1", client_id="c-1")


class Standing(Tokens):
    """Identity that can take everything back."""

    def __init__(self) -> None:
        self.ended = False
        self.ends_at_us: int | None = None

    async def authenticate(self, credentials: Credentials) -> Principal:  # noqa: ARG002 - everybody is the viewer
        return replace(VIEWER, expires_at_us=self.ends_at_us)

    async def standing(self, principal: Principal) -> Principal:
        if self.ended:
            raise UnauthenticatedError("it was revoked or its session ended")
        return principal


class Switch:
    """Policy that can be turned to no, or to no answer at all."""

    def __init__(self) -> None:
        self.answer: bool | None = True
        self.risks: list[int] = []

    async def decide(self, question: Any) -> Ruling:
        self.risks.append(question.context["risk"])
        if self.answer is None:
            raise UnavailableError("the engine is away")
        return Ruling(allow=self.answer and question.context["risk"] < 80, reasons=("because",))


async def _listen(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive_text()


async def _events(_request: Request) -> Response:
    async def lines() -> AsyncIterator[str]:
        yield "data: hello\n\n"
        await asyncio.Event().wait()
    return StreamingResponse(lines(), media_type="text/event-stream")


async def _download(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"some"
        await asyncio.Event().wait()
    return StreamingResponse(parts(), media_type="application/octet-stream")


@dataclass(slots=True)
class Watched:
    """A gateway with an open stream on each kind of route."""

    clock: FrozenClock
    identity: Standing = field(default_factory=Standing)
    policy: Switch = field(default_factory=Switch)
    revision: str = "r1"
    said: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    heard: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    verification: Verification = field(init=False)
    city: City = field(init=False)

    def __post_init__(self) -> None:
        self.verification = watchful(self.clock, lambda: self.revision)
        self.city = City(
            identity=self.identity, policy=self.policy, verification=self.verification, more=(
                Endpoint("WEBSOCKET", "/listen", "grid.read", _listen),
                Endpoint("GET", "/events", "grid.read", _events),
                Endpoint("GET", "/download", "grid.read", _download)))

    @contextlib.asynccontextmanager
    async def opened(self, path: str) -> AsyncIterator[asyncio.Task[None]]:
        """Open a stream and hear its beginning."""
        is_websocket = path == "/listen"
        kind: dict[str, Any] = {"type": "websocket", "scheme": "ws"} if is_websocket else {
            "type": "http", "scheme": "http", "method": "GET"}
        scope = {**kind, "raw_path": path.encode(), "client": ("127.0.0.1", 1), "headers": [], "asgi": {},
                 "subprotocols": []}
        self.said.put_nowait({"type": "websocket.connect"} if is_websocket else {"type": "http.request", "body": b""})
        gateway = self.city.gateway(self.clock)
        serving = asyncio.create_task(gateway(scope, self.said.get, self._hear))
        looking = asyncio.create_task(self.verification.streams.run())
        await self.heard.get()
        if not is_websocket:
            await self.heard.get()
        yield serving
        for task in (serving, looking):
            task.cancel()
        await asyncio.gather(serving, looking, return_exceptions=True)

    async def _hear(self, message: Message) -> None:
        self.heard.put_nowait(message)

    async def last(self) -> Message:
        """Return the next thing heard, which must come soon."""
        async with asyncio.timeout(SOON_S):
            return await self.heard.get()


@pytest.fixture
def watched(clock: FrozenClock) -> Watched:
    return Watched(clock)


@pytest.mark.parametrize(("topic", "key"), [("grant", "g-1"), ("session", "s-1"), ("subject", "u-viewer"),
                                            ("client", "c-1")])
async def test_a_stream_whose_ground_was_taken_away_is_closed_with_4401(watched: Watched, topic: str, key: str) -> None:
    async with watched.opened("/listen"):
        watched.identity.ended = True

        watched.verification.streams.changed(topic, key)

        assert await watched.last() == {"type": "websocket.close", "code": 4401,
                                        "reason": "it was revoked or its session ended"}


async def test_a_change_of_somebody_else_ends_no_stream(watched: Watched) -> None:
    async with watched.opened("/listen"):
        asked = len(watched.policy.risks)

        watched.verification.streams.changed("grant", "g-2")

        with pytest.raises(TimeoutError):
            await watched.last()
        assert len(watched.policy.risks) == asked


async def test_a_role_taken_away_closes_with_4403_and_the_policys_reason(watched: Watched) -> None:
    async with watched.opened("/listen"):
        watched.policy.answer = False

        watched.verification.streams.changed("subject", "u-viewer")

        assert await watched.last() == {"type": "websocket.close", "code": 4403, "reason": "because"}


async def test_another_policy_is_asked_about_every_open_stream(watched: Watched) -> None:
    async with watched.opened("/listen"):
        watched.policy.answer, watched.revision = False, "r2"

        assert (await watched.last())["code"] == 4403


async def test_a_stream_ends_with_its_token(watched: Watched, clock: FrozenClock) -> None:
    watched.identity.ends_at_us = START_US + 5_000_000
    async with watched.opened("/listen"):
        watched.identity.ended = True

        clock.advance(5)

        assert (await watched.last())["code"] == 4401


async def test_no_decision_ends_a_stream_too(watched: Watched) -> None:
    async with watched.opened("/listen"):
        watched.policy.answer = None

        watched.verification.streams.missed()

        assert (await watched.last())["code"] == 1013


async def test_a_stream_that_may_go_on_goes_on_after_a_gap(watched: Watched) -> None:
    async with watched.opened("/listen"):
        watched.verification.streams.missed()

        with pytest.raises(TimeoutError):
            await watched.last()


async def test_a_suspect_grant_loses_its_stream_and_its_next_request(watched: Watched) -> None:
    async with watched.opened("/listen"):
        grant = watched.verification.suspicion.heard("g-1 93", START_US)
        watched.verification.streams.changed("grant", grant)

        assert (await watched.last())["code"] == 4403
        assert watched.policy.risks[-1] == 93


async def test_an_event_stream_says_why_it_ends(watched: Watched) -> None:
    async with watched.opened("/events"):
        watched.identity.ended = True

        watched.verification.streams.changed("grant", "g-1")

        end = await watched.last()
        assert end["more_body"] is False
        name, data = end["body"].decode().strip().split("\n")
        assert name == "event: end"
        assert orjson.loads(data.removeprefix("data: "))["code"] == 4401


async def test_a_download_is_cut_off_so_that_nobody_takes_it_for_whole(watched: Watched) -> None:
    async with watched.opened("/download") as serving:
        watched.identity.ended = True

        watched.verification.streams.changed("grant", "g-1")

        with pytest.raises(Exception, match="revoked"):
            async with asyncio.timeout(SOON_S):
                await serving


async def test_a_server_that_stops_is_no_ending_of_ours(watched: Watched) -> None:
    async with watched.opened("/listen") as serving:
        serving.cancel()

        with pytest.raises(asyncio.CancelledError):
            await serving


async def test_streams_nobody_can_decide_on_do_not_wait_for_each_other(watched: Watched) -> None:
    crowd = AT_ONCE * 8

    async def hangs(_asked: Asked, _principal: Principal) -> Verdict:
        await asyncio.sleep(0.3)
        return Verdict(is_doubt=True)

    async def opened() -> Ending | None:
        return await streams.watched(asked, VIEWER, hangs, asyncio.sleep(60))

    streams = watched.verification.streams
    asked = Asked("GET", "/listen", None, Credentials(None, "GET", ""), "127.0.0.1", "", None, START_US)
    async with asyncio.TaskGroup() as group:
        serving = [group.create_task(opened()) for _ in range(crowd)]
        looking = asyncio.create_task(streams.run())
        await asyncio.sleep(0)
        streams.missed()
        async with asyncio.timeout(SOON_S):
            endings = await asyncio.gather(*serving)
        looking.cancel()

    assert endings == [UNDECIDABLE] * crowd
