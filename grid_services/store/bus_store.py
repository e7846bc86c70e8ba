"""Topics in PostgreSQL. Appending locks the topic's row until commit: offsets are dense and visible in their order."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from grid_services.store.failures import telemetry_failures

CHANNEL = "grid_services_bus"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a topic."""

    topic: str
    offset: int
    recorded_at_us: int
    payload: str


async def locked_offset(connection: asyncpg.Connection, topic: str) -> int:
    """Return the topic's next offset and keep other writers out until the transaction ends."""
    return int(await connection.fetchval(
        "SELECT next_offset FROM grid_services.topics WHERE name = $1 FOR UPDATE", topic))


async def advance(connection: asyncpg.Connection, topic: str, count: int) -> None:
    """Count `count` messages just written and wake readers at commit."""
    await connection.execute(
        "UPDATE grid_services.topics SET next_offset = next_offset + $2 WHERE name = $1", topic, count)
    await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, topic)


async def append(connection: asyncpg.Connection, topic: str, payloads: Sequence[str]) -> None:
    """Append within the caller's transaction."""
    if payloads:
        first = await locked_offset(connection, topic)
        await connection.execute(
            "INSERT INTO grid_services.messages (topic, message_offset, payload) SELECT $1, $2 + place - 1, payload "
            "FROM unnest($3::text[]) WITH ORDINALITY AS m(payload, place)", topic, first, list(payloads))
        await advance(connection, topic, len(payloads))


class BusStore:
    """Reads topics, appends alone, and hears of new messages over one shared connection while somebody waits."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._listener: asyncpg.Connection | None = None
        self._waiters = 0
        self._lock = asyncio.Lock()
        self._events: dict[asyncio.Event, str] = {}

    async def read(self, topic: str, after: int, limit: int) -> list[Message]:
        """Return at most `limit` messages with offset >= `after`, in order."""
        with telemetry_failures():
            rows = await self._pool.fetch(
                "SELECT message_offset, (extract(epoch FROM recorded_at) * 1000000)::bigint AS at_us, payload "
                "FROM grid_services.messages WHERE topic = $1 AND message_offset >= $2 ORDER BY message_offset LIMIT "
                "$3", topic, after, limit)
        return [Message(topic, row["message_offset"], row["at_us"], row["payload"]) for row in rows]

    async def topics(self) -> list[dict[str, Any]]:
        """Return each topic with its next offset and how far the consumer group came."""
        with telemetry_failures():
            rows = await self._pool.fetch(
                "SELECT t.name AS topic, t.next_offset, c.consumer_group, c.next_offset AS committed FROM "
                "grid_services.topics t LEFT JOIN grid_services.consumer_offsets c ON c.topic = t.name ORDER BY 1, 3")
        return [dict(row) for row in rows]

    async def next_offset(self, topic: str) -> int:
        """Return the offset the next message will get."""
        with telemetry_failures():
            return int(await self._pool.fetchval(
                "SELECT next_offset FROM grid_services.topics WHERE name = $1", topic))

    async def append(self, topic: str, payloads: Sequence[str]) -> None:
        """Append in a transaction of its own."""
        with telemetry_failures():
            async with self._pool.acquire() as connection, connection.transaction():
                await append(connection, topic, payloads)

    @asynccontextmanager
    async def hearing(self, topic: str) -> AsyncIterator[asyncio.Event]:
        """Yield an event that is set whenever the topic grows."""
        heard = asyncio.Event()
        await self._join()
        self._events[heard] = topic
        try:
            yield heard
        finally:
            del self._events[heard]
            await asyncio.shield(self._leave())

    async def _join(self) -> None:
        async with self._lock:
            if self._listener is None or self._listener.is_closed():
                with telemetry_failures():
                    self._listener = await self._pool.acquire()
                    await self._listener.add_listener(CHANNEL, self._notified)
            self._waiters += 1

    async def _leave(self) -> None:
        async with self._lock:
            self._waiters -= 1
            if self._waiters == 0 and self._listener is not None:
                listener, self._listener = self._listener, None
                with telemetry_failures():
                    if not listener.is_closed():
                        await listener.remove_listener(CHANNEL, self._notified)
                    await self._pool.release(listener)

    def _notified(self, _connection: object, _pid: int, _channel: str, topic: str) -> None:
        for heard, wanted in self._events.items():
            if wanted == topic:
                heard.set()
