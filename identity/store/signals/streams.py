"""The tables of streams and of the subjects their receivers named."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from identity.domain.signals.streams import Status, Stream, StreamSettings
from identity.store.documents import from_document, to_document, to_json
from shared_kernel.errors import ConflictError

_COLUMNS = ("id, client_id, audience, settings, status, status_reason, created_at_us, updated_at_us, seen_at_us, "
            "verified_at_us")


class StreamExistsError(ConflictError):
    """A receiver has one stream (SSF 1.0 8.1.1.1: 409)."""

    def __init__(self) -> None:
        super().__init__("this receiver has a stream already: update or delete that one")


def _stream(row: asyncpg.Record | None) -> Stream | None:
    if row is None:
        return None
    return Stream(row["id"], row["client_id"], tuple(row["audience"]), from_document(row["settings"], StreamSettings),
                  Status(row["status"]), row["status_reason"], row["created_at_us"], row["updated_at_us"],
                  row["seen_at_us"], row["verified_at_us"])


class SignalStreams:
    """Reads and writes identity.signal_streams and identity.signal_subjects."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def add(self, stream: Stream) -> None:
        """Add a stream; raise StreamExistsError when the receiver has one."""
        added = await self._executor.fetchval(
            f"INSERT INTO identity.signal_streams ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "  # noqa: S608 - a constant
            "ON CONFLICT DO NOTHING RETURNING id",
            stream.id, stream.client_id, list(stream.audience), to_document(stream.settings), stream.status,
            stream.status_reason, stream.created_at_us, stream.updated_at_us, stream.seen_at_us, stream.verified_at_us)
        if added is None:
            raise StreamExistsError

    async def of_client(self, client_id: str, seen_at_us: int | None = None) -> Stream | None:
        """Return a receiver's stream, held until the transaction ends when the receiver is being seen."""
        if seen_at_us is None:
            return _stream(await self._executor.fetchrow(
                f"SELECT {_COLUMNS} FROM identity.signal_streams WHERE client_id = $1", client_id))  # noqa: S608 - a constant
        return _stream(await self._executor.fetchrow(
            f"UPDATE identity.signal_streams SET seen_at_us = $2 WHERE client_id = $1 RETURNING {_COLUMNS}",  # noqa: S608 - a constant
            client_id, seen_at_us))

    async def get(self, stream_id: str) -> Stream | None:
        """Return the stream of that id."""
        return _stream(await self._executor.fetchrow(
            f"SELECT {_COLUMNS} FROM identity.signal_streams WHERE id = $1", stream_id))  # noqa: S608 - a constant

    async def put(self, stream: Stream) -> None:
        """Bring a stream up to date."""
        await self._executor.execute(
            """UPDATE identity.signal_streams SET settings = $2, status = $3, status_reason = $4, updated_at_us = $5,
            verified_at_us = $6 WHERE id = $1""",
            stream.id, to_document(stream.settings), stream.status, stream.status_reason, stream.updated_at_us,
            stream.verified_at_us)

    async def delete(self, stream_id: str) -> None:
        """Delete a stream with everything that waits in it."""
        await self._executor.execute("DELETE FROM identity.signal_streams WHERE id = $1", stream_id)

    async def silent(self, seen_before_us: int, method: str) -> list[Stream]:
        """Return enabled streams of a method whose receivers were not seen since, held until the transaction ends."""
        rows = await self._executor.fetch(
            f"""SELECT {_COLUMNS} FROM identity.signal_streams
            WHERE status = 'enabled' AND seen_at_us < $1 AND coalesce(settings->>'method', $3) = $2
            FOR UPDATE SKIP LOCKED""",  # noqa: S608 - a constant
            seen_before_us, method, StreamSettings().method)
        return [stream for row in rows if (stream := _stream(row))]

    async def name_subject(self, stream_id: str, digest: bytes, subject: Mapping[str, Any], *, is_removed: bool,
                           now_us: int) -> None:
        """Remember that the receiver added, or removed, a subject."""
        await self._executor.execute(
            """INSERT INTO identity.signal_subjects (stream_id, digest, subject, is_removed, created_at_us)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (stream_id, digest) DO UPDATE SET subject = excluded.subject,
            is_removed = excluded.is_removed""", stream_id, digest, to_json(subject), is_removed, now_us)

    async def subjects(self, stream_id: str) -> int:
        """Count the subjects a receiver named."""
        return int(await self._executor.fetchval(
            "SELECT count(*) FROM identity.signal_subjects WHERE stream_id = $1", stream_id))
