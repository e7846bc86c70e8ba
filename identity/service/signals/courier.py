"""Events pushed to the receiver (RFC 8935), and streams that fell silent.

202 means taken; 400 means never (2.4: the receiver cannot use the token), so it is dropped; anything else is tried
again with the same `jti`. A receiver that does not answer for hours has its stream paused: its events wait until it
asks for them again. So has one that polls and was not seen for long.
"""

from dataclasses import replace

import structlog

from identity.domain.deliveries import LEASE_US, next_try_us
from identity.domain.signals.events import STREAM_UPDATED
from identity.domain.signals.streams import INACTIVITY_TIMEOUT_S, POLL, Status, Stream
from identity.domain.signals.tokens import MEDIA_TYPE
from identity.service.delivery import BATCH, deliver_all, deliver_forever
from identity.service.foundation import SECOND_US, Foundation
from identity.service.signals.stream_desk import StreamDesk
from identity.service.signals.writer import SetWriter
from identity.store.database import Tables
from identity.store.signals.events import StoredEvent
from shared_kernel.errors import GridwardenError

_TIMEOUT_S = 10.0
_REFUSED = 400
_LOOK_FOR_SILENCE_US = 3_600 * SECOND_US
_log = structlog.get_logger()


class SignalCourier:
    """Carries events to receivers."""

    def __init__(self, foundation: Foundation, desk: StreamDesk, writer: SetWriter) -> None:
        self._foundation = foundation
        self._desk = desk
        self._writer = writer
        self._looked_at_us = 0

    async def run(self) -> None:
        """Deliver whatever is queued, forever."""
        await deliver_forever(self.deliver_due, "security events")

    async def deliver_due(self) -> int:
        """Push every event that is due, once; answer how many there were."""
        now_us = self._foundation.now_us()
        if now_us - self._looked_at_us >= _LOOK_FOR_SILENCE_US:
            await self.pause_silent()
            self._looked_at_us = now_us
        async with self._foundation.database.begin() as tables:
            due = await tables.signal_events.claim_pushes(now_us, now_us + LEASE_US, BATCH)
        await deliver_all(self._deliver(event) for event in due)
        return len(due)

    async def pause_silent(self) -> int:
        """Pause the streams whose receivers stopped polling, and bound what waits; answer how many were paused."""
        silent_since_us = self._foundation.now_us() - INACTIVITY_TIMEOUT_S * SECOND_US
        async with self._foundation.database.begin() as tables:
            await tables.signal_events.drop_beyond_cap()
            silent = await tables.signal_streams.silent(silent_since_us, POLL)
            for stream in silent:
                await self._pause(tables, stream, "the receiver was not seen for longer than inactivity_timeout")
        return len(silent)

    async def _deliver(self, event: StoredEvent) -> None:
        async with self._foundation.database.read() as tables:
            stream = await tables.signal_streams.get(event.stream_id)
        if stream is None:
            return
        failure, is_final = await self._try(stream, event)
        again_us = next_try_us(event.tries, self._foundation.now_us())
        is_hopeless = again_us is None and event.payload["type"] == STREAM_UPDATED
        async with self._foundation.database.begin() as tables:
            if is_final or is_hopeless:
                await tables.signal_events.done(stream.id, [event.id])
                return
            await tables.signal_events.failed(event.id, again_us or self._foundation.now_us(), failure or "")
            if again_us is None:
                await self._pause(tables, stream, "the receiver does not answer")

    async def _try(self, stream: Stream, event: StoredEvent) -> tuple[str | None, bool]:
        """Return what went wrong, None when nothing did, and whether that is the last word."""
        headers = {"Content-Type": MEDIA_TYPE, "Accept": "application/json"}
        try:
            authorization = self._desk.authorization_of(stream)
            if authorization is not None:
                headers["Authorization"] = authorization
            body = (await self._writer.written(stream, event)).encode()
            answer = await self._foundation.outbound.post(stream.settings.endpoint_url or "", body=body,
                                                          headers=headers, timeout_s=_TIMEOUT_S)
        except GridwardenError as error:
            return error.detail, False
        if 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP
            return None, True
        if answer.status == _REFUSED:
            _log.warning("signal_refused", stream_id=stream.id, jti=event.id, error=f"status {_REFUSED}")
        return f"the receiver answered {answer.status}", answer.status == _REFUSED

    async def _pause(self, tables: Tables, stream: Stream, reason: str) -> None:
        """Pause a stream by our own decision: the receiver is told (SSF 1.0 8.1.5), the ledger too."""
        now_us, current = self._foundation.now_us(), await tables.signal_streams.get(stream.id)
        if current is None or current.status is not Status.ENABLED:
            return
        await tables.signal_streams.put(replace(current, status=Status.PAUSED, status_reason=reason,
                                                updated_at_us=now_us))
        await tables.signal_events.about_stream(stream.id, STREAM_UPDATED,
                                                {"status": str(Status.PAUSED), "reason": reason}, now_us)
        await self._foundation.journal.seal(
            "signal_stream_changed", user={"id": "gridwarden", "name": "gridwarden"}, reason=reason,
            grid={"signals": {"change": str(Status.PAUSED), "stream_id": stream.id, "client_id": stream.client_id,
                              "status": str(Status.PAUSED), "method": stream.settings.method}})
