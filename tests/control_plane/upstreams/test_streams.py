"""Long answers, event streams and websockets through the gateway: with backpressure, watched, and ended both ways."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from tests.control_plane.gateway_city import City, RoleRules, Ruling
from tests.control_plane.upstreams.bed import ADMIN, Bed, Seen, application, bed, client, listening, scripted

PLAN = """services:
  live:
    targets: ["URL"]
    max_answer: 100000000
    timeouts: {idle_s: 0.5, total_s: 20.0}
routes:
  - {method: GET, path: /live/large, action: public.read, service: live, to: /large}
  - {method: POST, path: /live/count, action: public.write, service: live, to: /count, max_body: 100000000}
  - {method: GET, path: /live/events, action: public.read, service: live, to: /events}
  - {method: WEBSOCKET, path: /live/socket, action: public.read, service: live, to: /socket}
  - {method: WEBSOCKET, path: /live/refused, action: public.read, service: live, to: /refused}
"""
LARGE = 48 << 20


class Live:
    """A service with long answers; tells what became of them."""

    def __init__(self) -> None:
        self.written = 0
        self.requests: list[web.Request] = []
        self.ended: list[str] = []
        self.sockets: list[web.WebSocketResponse] = []

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/large", self.large), web.post("/count", self.count), web.get("/events", self.events),
                web.get("/socket", self.socket)]

    async def large(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(LARGE)})
        await response.prepare(request)
        try:
            while self.written < LARGE:
                await response.write(bytes(1 << 16))
                self.written += 1 << 16
        finally:
            self.ended.append("large")
        return response

    async def count(self, request: web.Request) -> web.Response:
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
        return web.Response(text=str(size))

    async def events(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            for n in range(1_000):
                await response.write(b"data: %d\n\n" % n)
                await asyncio.sleep(1 if request.query.get("silent") else 0.05)
        finally:
            self.ended.append("events")
        return response

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        self.requests.append(request)
        socket = web.WebSocketResponse(protocols=("grid.v2",))
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.data == "bye":
                await socket.close(code=4_000, message=b"as you wish")
            elif message.data == "impostor":
                await socket.close(code=4_401, message=b"your token ended")
            elif message.data == "wordless" and request.transport is not None:
                request.transport.write(b"\x88\x00")
            elif message.type is WSMsgType.TEXT:
                await socket.send_str(f"you said {message.data}")
            else:
                await socket.send_bytes(message.data[::-1])
        self.ended.append(f"socket {socket.close_code}")
        return socket


@asynccontextmanager
async def town(tmp_path: Path, city: City | None = None, plan: str = PLAN) -> AsyncIterator[tuple[Live, Bed, str]]:
    """Run the service behind a gateway on a socket whose streams are watched."""
    live = Live()
    async with application(live.routes()) as url, bed(tmp_path, plan.replace("URL", url), city=city) as here, listening(
            here.gateway) as port:
        watching = asyncio.create_task(here.city.verification.streams.run())
        try:
            yield live, here, f"http://127.0.0.1:{port}"
        finally:
            watching.cancel()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_a_long_answer_waits_for_a_client_that_reads_slowly(tmp_path: Path) -> None:
    async with town(tmp_path) as (live, _, url), client() as caller:
        answer = await caller.get(f"{url}/live/large", headers=ADMIN)
        await answer.content.readexactly(1 << 16)
        await asyncio.sleep(0.3)
        held = live.written
        rest = await answer.read()

    assert held < LARGE // 2
    assert len(rest) + (1 << 16) == LARGE


async def test_a_client_that_reads_slowly_gets_all_and_blames_nobody(tmp_path: Path) -> None:
    plan = PLAN.replace("total_s: 20.0", "total_s: 0.6")
    async with town(tmp_path, plan=plan) as (live, here, url), client() as caller:
        answer = await caller.get(f"{url}/live/large", headers=ADMIN)
        await answer.content.readexactly(1 << 16)
        await asyncio.sleep(0.8)
        held = live.written
        rest = await answer.read()
        breaker = here.upstreams._remotes["live"].targets._targets[0].breaker

    assert held < LARGE
    assert (len(rest) + (1 << 16), breaker.failures) == (LARGE, 0)


async def test_a_client_that_leaves_a_long_answer_ends_it(tmp_path: Path) -> None:
    async with town(tmp_path) as (live, _, url), client() as caller:
        answer = await caller.get(f"{url}/live/large", headers=ADMIN)
        await answer.content.readexactly(1 << 16)
        answer.close()
        await _until(lambda: live.ended == ["large"])

    assert live.written < LARGE


async def test_a_long_body_goes_through_whole(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(100_000)

    async with town(tmp_path) as (_, _, url), client() as caller:
        answer = await caller.post(f"{url}/live/count", headers=ADMIN, data=chunks())
        told = await answer.text()

    assert told == "10000000"


async def test_events_pass_as_they_come_and_the_service_hears_of_the_end(tmp_path: Path) -> None:
    async with town(tmp_path) as (live, _, url), client() as caller:
        answer = await caller.get(f"{url}/live/events", headers={**ADMIN, "Last-Event-ID": "7"})
        lines = [await answer.content.readline() for _ in range(5)]
        answer.close()
        await _until(lambda: live.ended == ["events"])

    assert lines == [b"data: 0\n", b"\n", b"data: 1\n", b"\n", b"data: 2\n"]
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert live.requests[0].headers["Last-Event-ID"] == "7"


async def test_an_event_stream_that_falls_silent_is_cut(tmp_path: Path) -> None:
    async with town(tmp_path) as (live, _, url), client() as caller:
        answer = await caller.get(f"{url}/live/events?silent=1", headers=ADMIN)
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
        await _until(lambda: live.ended == ["events"])


class Fickle(RoleRules):
    """A policy that changes its mind."""

    is_open = True

    async def decide(self, _question: object) -> Ruling:
        return Ruling(allow=self.is_open, reasons=("for now",))


@pytest.mark.parametrize("path", ["events", "socket"])
async def test_a_stream_that_may_no_longer_be_ends_on_both_sides(tmp_path: Path, path: str) -> None:
    policy = Fickle()
    async with town(tmp_path, City(policy=policy)) as (live, here, url), client() as caller:
        if path == "events":
            answer = await caller.get(f"{url}/live/events", headers=ADMIN)
            await answer.content.readline()
        else:
            socket = await caller.ws_connect(f"{url}/live/socket", headers=ADMIN)
        policy.is_open = False
        here.city.verification.streams.missed()
        async with asyncio.timeout(1):
            if path == "events":
                assert b'event: end\ndata: {"code":4403' in await answer.read()
            else:
                assert (await socket.receive()).data == 4403
            await _until(lambda: len(live.ended) == 1)


async def test_websocket_messages_go_both_ways(tmp_path: Path) -> None:
    async with town(tmp_path) as (live, here, url), client() as caller:
        socket = await caller.ws_connect(f"{url}/live/socket?year=2026", headers=ADMIN, protocols=("grid.v2",))
        await socket.send_str("hello")
        await socket.send_bytes(b"abc")
        told = [(await socket.receive()).data for _ in range(2)]
        await socket.close()
        await _until(lambda: live.ended != [])

    assert (told, socket.protocol) == (["you said hello", b"cba"], "grid.v2")
    [request] = live.requests
    assert request.query["year"] == "2026"
    assert "Authorization" not in request.headers
    claims = here.pen.verified(request.headers["X-Gridwarden-Assertion"], token_type="gridwarden-assertion+jwt")
    assert claims["sub"] == "u-admin"


@pytest.mark.parametrize(("word", "code"), [("bye", 4_000), ("impostor", 1_011), ("wordless", 1_000)])
async def test_a_service_closes_a_websocket_but_not_in_the_gateways_words(
    tmp_path: Path, word: str, code: int,
) -> None:
    async with town(tmp_path) as (_, _, url), client() as caller:
        socket = await caller.ws_connect(f"{url}/live/socket", headers=ADMIN)
        await socket.send_str(word)
        message = await socket.receive()

    assert (message.type, message.data) == (WSMsgType.CLOSE, code)


async def test_a_service_that_dies_ends_its_websockets(tmp_path: Path) -> None:
    async with town(tmp_path) as (live, _, url), client() as caller:
        socket = await caller.ws_connect(f"{url}/live/socket", headers=ADMIN)
        await _until(lambda: len(live.sockets) == 1)
        transport = live.requests[0].transport
        assert transport is not None
        transport.abort()
        message = await socket.receive()

    assert (message.type, message.data) == (WSMsgType.CLOSE, 1_011)


async def test_a_websocket_the_service_refuses_is_refused_before_it_is_accepted(tmp_path: Path) -> None:
    async with town(tmp_path) as (_, _, url), client() as caller:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await caller.ws_connect(f"{url}/live/refused", headers=ADMIN)

    assert refusal.value.status == 502


@pytest.mark.parametrize("odd", [b"Sec-WebSocket-Protocol: grid.v9", b"Sec-WebSocket-Extensions: permessage-deflate"])
async def test_a_websocket_by_words_nobody_offered_is_a_bad_gateway(tmp_path: Path, odd: bytes) -> None:
    async def switch(seen: Seen, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        key = seen.fields["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accepted = base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest())
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                     b"Sec-WebSocket-Accept: " + accepted + b"\r\n" + odd + b"\r\n\r\n")

    async with scripted(switch) as service, bed(tmp_path, PLAN.replace("URL", service.url)) as here, listening(
            here.gateway) as port, client() as caller:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await caller.ws_connect(f"http://127.0.0.1:{port}/live/socket", headers=ADMIN, protocols=("grid.v2",))

    assert refusal.value.status == 502
