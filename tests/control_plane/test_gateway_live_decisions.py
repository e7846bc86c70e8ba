"""Decisions as they are sealed: to those who may watch."""

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.types import Message, Scope

from control_plane.gateway.live_decisions import endpoints
from shared_kernel.events import SealedEvent
from tests.control_plane.gateway_city import START_US, City, KeptEvents, ask


@dataclass(frozen=True, slots=True)
class Size:
    """The end of a ledger."""

    size: int


class GrowingEvents(KeptEvents):
    """A ledger in a list that can be followed."""

    def head(self) -> Size:
        return Size(len(self.events))

    async def wait_beyond(self, seq: int, timeout_s: float | None = None) -> bool:
        assert timeout_s is not None
        await asyncio.sleep(0.01)
        return len(self.events) > seq

    async def follow(self, after: int, limit: int) -> list[SealedEvent]:
        return [SealedEvent(seq, START_US, event) for seq, event in enumerate(self.events)][after:after + limit]


def city_with_stream() -> City:
    ledger = GrowingEvents()
    return City(ledger=ledger, more=endpoints(ledger))


def scope() -> Scope:
    return {
        "type": "websocket", "scheme": "ws", "raw_path": b"/api/v1/decisions/stream", "client": ("127.0.0.1", 1),
        "headers": [(b"authorization", b"Bearer auditor")], "subprotocols": [],
    }


async def test_a_watcher_sees_each_decision_after_it_is_sealed() -> None:
    gateway = city_with_stream().gateway()
    said: asyncio.Queue[Message] = asyncio.Queue()
    heard: asyncio.Queue[Message] = asyncio.Queue()
    said.put_nowait({"type": "websocket.connect"})
    watching = asyncio.create_task(gateway(scope(), said.get, heard.put))
    assert (await heard.get())["type"] == "websocket.accept"

    refused = await ask(gateway, "GET", "/admin/users")

    seen = orjson.loads((await heard.get())["text"])
    assert (seen["request_id"], seen["allow"]) == (refused.json["request_id"], False)
    said.put_nowait({"type": "websocket.disconnect", "code": 1000})
    async with asyncio.timeout(60):
        await watching


async def test_a_viewer_may_not_watch_and_a_stranger_must_say_who() -> None:
    gateway = city_with_stream().gateway()
    words: dict[str, Any] = {"websocket.http.response": {}}

    told = [await ask(gateway, "", "/api/v1/decisions/stream", kind="websocket", extensions=words, headers=headers)
            for headers in ({"Authorization": "Bearer viewer"}, {})]

    assert [answer.status for answer in told] == [403, 401]
