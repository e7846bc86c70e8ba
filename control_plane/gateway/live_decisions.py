"""Decisions as they are sealed, over a websocket, for those who watch; the gateway cuts off whoever may no longer."""

import asyncio
from typing import Protocol

import orjson
from starlette.websockets import WebSocket

from control_plane.gateway.decisions import ACTION, explained
from shared_kernel.endpoint import Endpoint
from shared_kernel.events import SealedEvent

_LOOK_S = 1.0
_PAGE = 200


class _Head(Protocol):
    @property
    def size(self) -> int:
        """How many entries there are."""


class Tail(Protocol):
    """The end of the ledger, as it grows."""

    def head(self) -> _Head:
        """Return the end as committed."""

    async def wait_beyond(self, seq: int, timeout_s: float | None = None) -> bool:
        """Return True as soon as position `seq` is filled, False at the timeout."""

    async def follow(self, after: int, limit: int) -> list[SealedEvent]:
        """Return events from position `after` on, in order; the newest come from memory."""


def endpoints(ledger: Tail) -> tuple[Endpoint, ...]:
    """Return the stream of decisions sealed from now on."""

    async def stream(websocket: WebSocket) -> None:
        seq = ledger.head().size
        await websocket.accept()
        tasks = (asyncio.create_task(_send(websocket, ledger, seq)), asyncio.create_task(_left(websocket)))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    return (Endpoint("WEBSOCKET", "/api/v1/decisions/stream", "decisions.read_all", stream),)


async def _send(websocket: WebSocket, ledger: Tail, seq: int) -> None:
    while True:
        if not await ledger.wait_beyond(seq, _LOOK_S):
            continue
        for sealed in await ledger.follow(seq, _PAGE):
            seq = sealed.seq + 1
            if sealed.event["event"]["action"] == ACTION:
                await websocket.send_text(orjson.dumps(explained(sealed)).decode())


async def _left(websocket: WebSocket) -> None:
    """Return when the client goes; what it says is not listened to."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
