"""The request's body on its way to a service: as it comes, with backpressure, and once more if it was short.

Only one may read what the client sends. While a target is sent to, that is the body; afterwards it is who waits for
the client to leave.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

REPLAYABLE_BYTES = 65_536
_Result = TypeVar("_Result")


class ClientBody:
    """What the client sends; `failure` is what ended it early, if anything did."""

    def __init__(self, receive: Receive, *, is_present: bool) -> None:
        self._receive = receive
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self.is_present, self.is_begun = is_present, False
        self._is_last_attempt = False
        self.is_whole = not is_present
        self.failure: Exception | None = None
        self._unread = asyncio.Event()
        if self.is_whole:
            self._unread.set()

    @property
    def may_be_repeated(self) -> bool:
        """Whether it can be sent once more: whole and short, or not begun."""
        return not self.is_begun or (self.is_whole and self._kept_bytes <= REPLAYABLE_BYTES)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield it from the beginning."""
        self.is_begun = True
        for chunk in list(self._kept):
            yield chunk
        try:
            while not self.is_whole:
                chunk = await self._next()
                if chunk:
                    yield chunk
        finally:
            if self._is_last_attempt:
                self._unread.set()

    def leave(self) -> None:
        """Say that no other attempt follows: when this one stops reading, nobody reads."""
        self._is_last_attempt = True
        if not self.is_begun:
            self._unread.set()

    async def until_left(self) -> None:
        """Return when the client leaves; what it still sends meanwhile is dropped."""
        await self._unread.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _next(self) -> bytes:
        try:
            message = await self._receive()
        except Exception as error:
            self.failure = error
            raise
        if message["type"] == "http.disconnect":
            self.failure = ClientDisconnect()
            raise self.failure
        chunk: bytes = message.get("body", b"")
        self._kept_bytes += len(chunk)
        if self._kept_bytes <= REPLAYABLE_BYTES:
            self._kept.append(chunk)
        else:
            self._kept.clear()
        if not message.get("more_body", False):
            self.is_whole = True
            self._unread.set()
        return chunk


async def unless_left(body: ClientBody, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Return what the work returns; cancel it and raise ClientDisconnect when the client leaves before."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(body.until_left())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)
