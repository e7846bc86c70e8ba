"""Topics in PostgreSQL. Appending locks the topic's row until commit: offsets are dense and visible in their order.

Telemetry's topics are the tables of their readings (topic_tables.py); every other topic is rows of `messages`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from grid_services.store.failures import telemetry_failures
from grid_services.store.topic_tables import TABLES, moment_us

CHANNEL = "grid_services_bus"
_MESSAGES = f"""
    SELECT message_offset AS bus_offset, {moment_us("recorded_at", "recorded_at_us")}, payload
    FROM grid_services.messages WHERE topic = $3 AND message_offset >= $1 ORDER BY message_offset LIMIT $2
"""  # noqa: S608 - our own names


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a topic."""

    topic: str
    offset: int
    recorded_at_us: int
    body: Mapping[str, Any]


async def locked_offset(connection: asyncpg.Connection, topic: str) -> int:
    """Return the topic's next offset and keep other writers out until the transaction ends."""
    return int(await connection.fetchval(
        "SELECT next_offset FROM grid_services.topics WHERE name = $1 FOR UPDATE", topic))


async def advance(connection: asyncpg.Connection, topic: str, count: int) -> None:
    """Count `count` messages just written and wake readers at commit."""
    await connection.execute(
        "UPDATE grid_services.topics SET next_offset = next_offset + $2 WHERE name = $1", topic, count)
    await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, topic)


async def append_new(connection: asyncpg.Connection, topic: str, payloads: Mapping[bytes, str]) -> None:
    """Append within the caller's transaction the payloads whose digest the topic does not hold yet."""
    if not payloads:
        return
    first = await locked_offset(connection, topic)
    known = {row["digest"] for row in await connection.fetch(
        "SELECT digest FROM grid_services.messages WHERE topic = $1 AND digest = ANY($2::bytea[])",
        topic, list(payloads))}
    fresh = {digest: payload for digest, payload in payloads.items() if digest not in known}
    if fresh:
        await connection.execute(
            "INSERT INTO grid_services.messages (topic, message_offset, digest, payload) "
            "SELECT $1, $2 + place - 1, digest, payload "
            "FROM unnest($3::bytea[], $4::text[]) WITH ORDINALITY AS m(digest, payload, place)",
            topic, first, list(fresh), list(fresh.values()))
        await advance(connection, topic, len(fresh))


class BusStore:
    """Reads topics and hears of new messages over one shared connection while somebody waits."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._listener: asyncpg.Connection | None = None
        self._waiters = 0
        self._lock = asyncio.Lock()
        self._events: dict[asyncio.Event, str] = {}

    async def read(self, topic: str, after: int, limit: int) -> list[Message]:
        """Return at most `limit` messages with offset >= `after`, in order."""
        table = TABLES.get(topic)
        with telemetry_failures():
            rows = (await self._pool.fetch(table.read(), after, limit) if table
                    else await self._pool.fetch(_MESSAGES, after, limit, topic))
        return [Message(topic, row["bus_offset"], row["recorded_at_us"],
                        table.reading(row).message() if table else orjson.loads(row["payload"])) for row in rows]

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

    async def listen_again(self) -> None:
        """Listen over a new connection when the one listening was lost."""
        async with self._lock:
            await self._listen()

    async def _join(self) -> None:
        async with self._lock:
            await self._listen()
            self._waiters += 1

    async def _listen(self) -> None:
        if self._listener is None:
            with telemetry_failures():
                listener = await self._pool.acquire()
                try:
                    await listener.add_listener(CHANNEL, self._notified)
                except BaseException:
                    await self._pool.release(listener)
                    raise
                listener.add_termination_listener(self._lost)
                self._listener = listener

    async def _leave(self) -> None:
        async with self._lock:
            self._waiters -= 1
            if self._waiters == 0:
                await self._dismiss()

    async def _dismiss(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with telemetry_failures():
                listener.remove_termination_listener(self._lost)
                await listener.remove_listener(CHANNEL, self._notified)
                await self._pool.release(listener)

    def _lost(self, _connection: object) -> None:
        """Forget a connection that ended, which the pool replaces by itself, and let the waiters listen again."""
        self._listener = None
        for heard in self._events:
            heard.set()

    def _notified(self, _connection: object, _pid: int, _channel: str, topic: str) -> None:
        for heard, wanted in self._events.items():
            if wanted == topic:
                heard.set()
