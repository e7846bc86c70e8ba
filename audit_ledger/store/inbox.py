"""The inbox table and its two bells: how records reach the leader, and how the others hear what it sealed.

A row is deleted by the very commit that seals it, so that it is sealed once, whoever leads. The bells (LISTEN/NOTIFY)
carry no content: anybody may ring them, and the ringing makes nobody believe anything.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import asyncpg

from audit_ledger.domain.errors import LedgerDownError
from audit_ledger.domain.head import Head
from audit_ledger.store.faults import DRIVER_ERRORS, driver_errors

INBOX_BELL, SEALED_BELL = "gridwarden_ledger_inbox", "gridwarden_ledger_sealed"

ERASED = "its key was erased"
"""Why a record is refused that its sender can seal under another key."""

TIMEOUT_S = 5.0
"""How long the database may take over one exchange."""

LIFETIME_S = 10.0
"""A record that was not sealed by then is not sealed any more: its sender has given up."""

DELETE_SEALED = """DELETE FROM audit_ledger.inbox AS done USING unnest({senders}::bigint[], {numbers}::bigint[])
    AS sealed(sender, number) WHERE done.stream = $1 AND done.sender = sealed.sender AND done.number = sealed.number"""

_PUT = """WITH put AS (
    INSERT INTO audit_ledger.inbox (stream, sender, number, payload)
    SELECT $1, $2::bigint, * FROM unnest($3::bigint[], $4::bytea[]) RETURNING number
) SELECT pg_notify($5, $1 || ' ' || $2::text) FROM (SELECT count(*) FROM put) AS all_put"""

_TAKE = """SELECT found.* FROM unnest($2::bigint[], $3::bigint[]) AS known(sender, number) CROSS JOIN LATERAL (
    SELECT sender, number, payload FROM audit_ledger.inbox AS i
    WHERE i.stream = $1 AND i.sender = known.sender AND i.number > known.number AND i.refused IS NULL
    ORDER BY i.number LIMIT $4
) AS found"""

_REFUSE = """WITH refused AS (
    UPDATE audit_ledger.inbox SET refused = $4 WHERE stream = $1 AND sender = $2 AND number = $3 RETURNING number
) SELECT pg_notify($5, $1 || ' ' || $2::text) FROM refused"""

_EXPIRE = """DELETE FROM audit_ledger.inbox
    WHERE stream = $1 AND put_at < clock_timestamp() - make_interval(secs => $2)"""

_SEALED = """SELECT seq, entry_hash, sha256(payload) FROM audit_ledger.entries
    WHERE stream = $1 AND seq >= $2 ORDER BY seq LIMIT $3"""


class Letter(NamedTuple):
    """A record in the inbox: the `number`th of its sender."""

    sender: int
    number: int
    payload: bytes


class SealedPlace(NamedTuple):
    """Where an entry stands, and the SHA-256 of its payload, by which its producer knows it again."""

    seq: int
    entry_hash: bytes
    digest: bytes


class Line:
    """One connection for one party: listens, asks, and is closed when anything went wrong on it."""

    def __init__(self, connection: Any, stream: str) -> None:  # noqa: ANN401 - asyncpg is untyped
        self._connection, self._stream = connection, stream
        self._bell: str | None = None
        self._rung = asyncio.Event()
        self._senders: set[int] = set()

    async def listen(self, bell: str) -> None:
        """Hear a bell from now on."""
        with driver_errors():
            self._connection.add_termination_listener(self._lost)
            await self._connection.add_listener(bell, self._heard)
            self._bell = bell

    async def close(self) -> None:
        """Hear nothing more."""
        self._connection.remove_termination_listener(self._lost)
        if self._bell is not None:
            await self._connection.remove_listener(self._bell, self._heard)

    async def rung(self, timeout_s: float) -> set[int]:
        """Return when the bell rang, or after the timeout: the senders it named."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._rung.wait()
        self._rung.clear()
        senders, self._senders = self._senders, set()
        return senders

    async def put(self, sender: int, first: int, payloads: Sequence[bytes]) -> None:
        """Put records into the inbox, numbered from `first`, and ring."""
        numbers = list(range(first, first + len(payloads)))
        await self._ask("execute", _PUT, self._stream, sender, numbers, payloads, INBOX_BELL)

    async def senders(self) -> set[int]:
        """Return everybody who has a record in the inbox, after dropping those that waited too long."""
        await self._ask("execute", _EXPIRE, self._stream, LIFETIME_S)
        rows = await self._ask("fetch", "SELECT DISTINCT sender FROM audit_ledger.inbox WHERE stream = $1",
                               self._stream)
        return {row[0] for row in rows}

    async def take(self, after: dict[int, int], limit: int) -> list[Letter]:
        """Return the next records, at most `limit` a sender, in each sender's order."""
        rows = await self._ask("fetch", _TAKE, self._stream, list(after), list(after.values()), limit)
        return [Letter(*row) for row in rows]

    async def refuse(self, letter: Letter, why: str) -> None:
        """Leave a record unsealed and tell its sender why."""
        await self._ask("execute", _REFUSE, self._stream, letter.sender, letter.number, why, SEALED_BELL)

    async def refusals(self, sender: int) -> list[tuple[int, str]]:
        """Take back what was refused: (number, why)."""
        return [tuple(row) for row in await self._ask(
            "fetch", "DELETE FROM audit_ledger.inbox WHERE stream = $1 AND sender = $2 AND refused IS NOT NULL "
                     "RETURNING number, refused", self._stream, sender)]

    async def tell_sealed(self) -> None:
        """Ring for those who wait for their receipts."""
        await self._ask("execute", "SELECT pg_notify($1, $2)", SEALED_BELL, self._stream)

    async def sealed(self, since: int, limit: int) -> list[SealedPlace]:
        """Return where the entries from `since` on stand."""
        return [SealedPlace(*row) for row in await self._ask("fetch", _SEALED, self._stream, since, limit)]

    async def head(self) -> Head:
        """Return the end of the ledger as committed."""
        row = await self._ask(
            "fetchrow", "SELECT size, entry_hash FROM audit_ledger.heads WHERE stream = $1", self._stream)
        return Head(*row) if row else Head()

    async def _ask(self, how: str, query: str, *values: Any) -> Any:  # noqa: ANN401 - asyncpg is untyped
        with driver_errors():
            return await getattr(self._connection, how)(query, *values, timeout=TIMEOUT_S)

    def _heard(self, _connection: object, _pid: int, _bell: str, payload: str) -> None:
        stream, _, sender = payload.partition(" ")
        if stream != self._stream:
            return
        with contextlib.suppress(ValueError):
            self._senders.add(int(sender))
        self._rung.set()

    def _lost(self, _connection: object) -> None:
        self._rung.set()


class Inbox:
    """Opens lines of the writer's role to the inbox of one stream."""

    def __init__(self, pool: asyncpg.Pool, stream: str) -> None:
        self._pool = pool
        self.stream = stream

    @contextlib.asynccontextmanager
    async def line(self, bell: str | None = None) -> AsyncIterator[Line]:
        """Lend a connection of one's own; it is closed when anything fails on it."""
        with driver_errors():
            connection = await self._pool.acquire(timeout=5)
        line = Line(connection, self.stream)
        try:
            if bell is not None:
                await line.listen(bell)
            yield line
        except LedgerDownError:
            with contextlib.suppress(*DRIVER_ERRORS):
                connection.terminate()
            raise
        finally:
            with contextlib.suppress(*DRIVER_ERRORS):
                await line.close()
            with contextlib.suppress(*DRIVER_ERRORS):
                await self._pool.release(connection)
