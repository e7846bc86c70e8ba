"""Events fetched by the receiver (RFC 8936): kept until acknowledged, and waited for when there are none."""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from identity.domain.signals.events import STREAM_UPDATED
from identity.domain.signals.polls import Poll, read_poll
from identity.domain.signals.streams import POLL, Status, Stream
from identity.service.foundation import Foundation
from identity.service.signals.stream_desk import UnknownStreamError
from identity.service.signals.writer import SetWriter
from identity.store.signals.events import StoredEvent

LONG_POLL_S = 10.0
"""How long a poll waits for an event (RFC 8936 2.5: the transmitter's choice)."""

_LOOK_AGAIN_S = 0.5
_log = structlog.get_logger()


class PollDesk:
    """Answers polls."""

    def __init__(self, foundation: Foundation, writer: SetWriter) -> None:
        self._foundation = foundation
        self._writer = writer

    async def poll(self, client_id: str, stream_id: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Take acknowledgements and errors, then return events by `jti`; raise UnknownStreamError."""
        wanted = read_poll(asked)
        stream = await self._settled(client_id, stream_id, wanted)
        events = await self._waited(stream, wanted)
        sets = {event.id: await self._writer.written(stream, event) for event in events[:wanted.max_events]}
        return {"sets": sets, "moreAvailable": len(events) > wanted.max_events}

    async def _settled(self, client_id: str, stream_id: str, wanted: Poll) -> Stream:
        async with self._foundation.database.begin() as tables:
            stream = await tables.signal_streams.of_client(client_id, seen_at_us=self._foundation.now_us())
            if stream is None or stream.id != stream_id or stream.settings.method != POLL:
                raise UnknownStreamError
            refused = dict(wanted.refused or {})
            await tables.signal_events.done(stream.id, [*wanted.acknowledged, *refused])
        for token_id, error in refused.items():
            _log.warning("signal_refused", stream_id=stream.id, jti=token_id, error=error[:64])
        return stream

    async def _waited(self, stream: Stream, wanted: Poll) -> list[StoredEvent]:
        """Return one event more than wanted, if there are so many."""
        clock = asyncio.get_running_loop().time
        until = clock() + (0 if wanted.return_immediately or wanted.max_events == 0 else LONG_POLL_S)
        while True:
            found = await self._ready(stream.id, wanted.max_events + 1)
            if found or clock() >= until:
                return found
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _ready(self, stream_id: str, limit: int) -> list[StoredEvent]:
        """A paused stream tells only that it is (SSF 1.0 8.1.2.1, 8.1.5)."""
        async with self._foundation.database.read() as tables:
            stream = await tables.signal_streams.get(stream_id)
            if stream is None or stream.status is Status.DISABLED:
                return []
            found = await tables.signal_events.waiting(stream_id, limit)
        is_flowing = stream.status is Status.ENABLED
        return [event for event in found if is_flowing or event.payload["type"] == STREAM_UPDATED]
