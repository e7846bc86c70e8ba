"""Decisions as they are sealed, over a websocket: for those who watch, until their token ends."""

import asyncio
import contextlib
from typing import Protocol

import orjson
from starlette.websockets import WebSocket

from control_plane.gateway.decisions import ACTION, explained
from shared_kernel.clock import Clock
from shared_kernel.context import context_of
from shared_kernel.endpoint import Endpoint
from shared_kernel.events import SealedEvent
from shared_kernel.principal import Principal

TOKEN_ENDED = 4401
"""Close code: the token that opened the stream is no longer good; open another with a fresh one."""
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

    async def read(self, after: int, limit: int) -> list[SealedEvent]:
        """Return events from position `after` on, in order."""


def endpoints(ledger: Tail, clock: Clock) -> tuple[Endpoint, ...]:
    """Return the stream of decisions sealed from now on."""

    async def stream(websocket: WebSocket) -> None:
        principal = context_of(websocket.scope).principal
        seq = ledger.head().size
        await websocket.accept()
        sending = asyncio.create_task(_send(websocket, ledger, clock, principal, seq))
        leaving = asyncio.create_task(_left(websocket))
        done, pending = await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for task in done:
            task.result()

    return (Endpoint("WEBSOCKET", "/api/v1/decisions/stream", "decisions.read_all", stream),)


async def _send(websocket: WebSocket, ledger: Tail, clock: Clock, principal: Principal, seq: int) -> None:
    while principal.expires_at_us is None or clock.now_us() < principal.expires_at_us:
        if not await ledger.wait_beyond(seq, _LOOK_S):
            continue
        for sealed in await ledger.read(seq, _PAGE):
            seq = sealed.seq + 1
            if sealed.event["event"]["action"] == ACTION:
                await websocket.send_text(orjson.dumps(explained(sealed)).decode())
    await websocket.close(TOKEN_ENDED)


async def _left(websocket: WebSocket) -> None:
    """Return when the client goes; what it says is not listened to."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
