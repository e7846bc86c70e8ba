"""The table of events that wait for receivers: filled in the transaction of what happened, emptied when they heard.

What a row holds becomes a token only when it is delivered; its id is the `jti` at every delivery.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from identity.domain.signals.events import STREAM_UPDATED, Signal
from identity.domain.signals.streams import MAX_HELD, PUSH
from identity.store.documents import from_json, to_json
from shared_kernel.ids import uuid7

_EMIT = """
INSERT INTO identity.signal_events (id, stream_id, payload, created_at_us, due_at_us)
SELECT gen_random_uuid()::text, s.id,
       $3::jsonb || CASE WHEN e.is_removed = false THEN jsonb_build_object('email', u.email) ELSE '{}' END, $4, $4
FROM identity.signal_streams s
JOIN identity.users u ON u.id = $1
LEFT JOIN identity.signal_subjects e
  ON e.stream_id = s.id AND e.digest = sha256(convert_to('email:' || lower(u.email), 'UTF8'))
LEFT JOIN identity.signal_subjects i
  ON i.stream_id = s.id AND i.digest = sha256(convert_to('sub:' || u.id, 'UTF8'))
WHERE s.status <> 'disabled' AND s.settings->'events_delivered' ? $2
  AND NOT coalesce(e.is_removed, false) AND NOT coalesce(i.is_removed, false)
RETURNING 1"""
"""Digests as in `domain.signals.subjects.digest_of`. Who named a person by address hears of that address."""

_CLAIM = f"""
UPDATE identity.signal_events SET due_at_us = $2, tries = tries + 1 WHERE id IN (
    SELECT e.id FROM identity.signal_events e JOIN identity.signal_streams s ON s.id = e.stream_id
    WHERE e.due_at_us <= $1 AND s.settings->>'method' = '{PUSH}'
      AND (s.status = 'enabled' OR (s.status = 'paused' AND e.payload->>'type' = '{STREAM_UPDATED}'))
    ORDER BY e.due_at_us, e.created_at_us LIMIT $3 FOR UPDATE OF e SKIP LOCKED)
RETURNING id, stream_id, payload, created_at_us, tries"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event that waits; `payload` has type, event, txn, and whom it is about."""

    id: str
    stream_id: str
    payload: dict[str, Any]
    created_at_us: int
    tries: int


def _event(row: asyncpg.Record) -> StoredEvent:
    return StoredEvent(row["id"], row["stream_id"], from_json(row["payload"]), row["created_at_us"], row["tries"])


class SignalEvents:
    """Reads and writes identity.signal_events."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def emit(self, signal: Signal, user_id: str, now_us: int) -> int:
        """Queue a signal about a person for every receiver that wants it; answer how many."""
        payload = {"type": signal.kind, "event": signal.to_event(now_us), "txn": uuid7(), "user_id": user_id}
        if signal.session_id is not None:
            payload["session_id"] = signal.session_id
        return len(await self._executor.fetch(_EMIT, user_id, signal.kind, to_json(payload), now_us))

    async def about_stream(self, stream_id: str, kind: str, event: dict[str, Any], now_us: int) -> None:
        """Queue an event about the stream itself."""
        payload = {"type": kind, "event": event, "txn": uuid7()}
        await self._executor.execute(
            """INSERT INTO identity.signal_events (id, stream_id, payload, created_at_us, due_at_us)
            VALUES ($1, $2, $3, $4, $4)""", uuid7(), stream_id, to_json(payload), now_us)

    async def waiting(self, stream_id: str, limit: int) -> list[StoredEvent]:
        """Return the oldest events that wait in a stream."""
        rows = await self._executor.fetch(
            """SELECT id, stream_id, payload, created_at_us, tries FROM identity.signal_events
            WHERE stream_id = $1 ORDER BY created_at_us, id LIMIT $2""", stream_id, limit)
        return [_event(row) for row in rows]

    async def done(self, stream_id: str, event_ids: Sequence[str]) -> None:
        """Take away events the receiver has, or will never take; ids of other streams change nothing."""
        await self._executor.execute(
            "DELETE FROM identity.signal_events WHERE stream_id = $1 AND id = ANY($2)", stream_id, list(event_ids))

    async def drop_all(self, stream_id: str) -> None:
        """Drop what waits in a stream that was disabled."""
        await self._executor.execute("DELETE FROM identity.signal_events WHERE stream_id = $1", stream_id)

    async def due_now(self, stream_id: str, now_us: int) -> None:
        """Deliver at once what waited: the stream flows again."""
        await self._executor.execute(
            "UPDATE identity.signal_events SET due_at_us = $2, tries = 0 WHERE stream_id = $1", stream_id, now_us)

    async def claim_pushes(self, now_us: int, until_us: int, limit: int) -> list[StoredEvent]:
        """Return events to push now; nobody else gets them before `until_us`."""
        rows = await self._executor.fetch(_CLAIM, now_us, until_us, limit)
        return sorted((_event(row) for row in rows), key=lambda event: (event.created_at_us, event.id))

    async def failed(self, event_id: str, due_at_us: int, error: str) -> None:
        """Try again later."""
        await self._executor.execute(
            "UPDATE identity.signal_events SET due_at_us = $2, last_error = $3 WHERE id = $1",
            event_id, due_at_us, error)

    async def drop_beyond_cap(self) -> int:
        """Drop the oldest events of streams that hold too many; answer how many went."""
        return len(await self._executor.fetch(
            """DELETE FROM identity.signal_events WHERE id IN (
                SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY stream_id ORDER BY created_at_us DESC, id)
                                AS place FROM identity.signal_events) numbered WHERE place > $1) RETURNING 1""",
            MAX_HELD))
