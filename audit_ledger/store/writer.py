"""The only hand that writes entries: one connection, one advisory lock on lease, one transaction a batch."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from itertools import chain, islice
from time import perf_counter
from typing import Any

import asyncpg

from audit_ledger.domain.errors import (
    AnotherSequencerError,
    ForkedLedgerError,
    LedgerDownError,
    LedgerStoppedError,
    LostLeadError,
)
from audit_ledger.domain.head import Head
from audit_ledger.domain.merkle import Subtree
from audit_ledger.store.faults import DRIVER_ERRORS, driver_errors
from audit_ledger.store.inbox import DELETE_SEALED
from audit_ledger.store.leadership import still_leads, take_lead

ENTRY_COLUMNS = ("stream", "seq", "recorded_at_us", "prev_hash", "entry_hash", "payload",
                 "action", "subject", "request_id", "dataset", "outcome", "event_time", "sealed_key")

_FEW = 32
"""Up to so many rows one statement is cheaper than BEGIN, COPY, UPDATE and COMMIT."""

_STORE_FEW = """WITH moved AS (
    UPDATE audit_ledger.heads SET size = $4, entry_hash = $5 WHERE stream = $1 AND size = $2 AND entry_hash = $3
    RETURNING stream
), stored AS (
    INSERT INTO audit_ledger.entries SELECT moved.stream, row.* FROM moved, unnest(
        $6::bigint[], $7::bigint[], $8::bytea[], $9::bytea[], $10::bytea[],
        $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[]) AS row
) SELECT count(*) FROM moved"""

_TAKEN_TOO = DELETE_SEALED.format(senders="$18", numbers="$19") + " AND EXISTS (SELECT FROM moved)"
_STORE_FEW_FORWARDED = _STORE_FEW.replace(") SELECT count", f"), taken AS ({_TAKEN_TOO}) SELECT count")
_TAKEN = DELETE_SEALED.format(senders="$2", numbers="$3")

Sealed = tuple[Head, list[tuple[Subtree, bytes]]]
"""What a batch leads to: the new head and the subtrees it completed."""


class LedgerWriter:
    """Appends to one stream; leads it as long as its connection lives, which must be heard of within the lease."""

    def __init__(self, pool: asyncpg.Pool, stream: str, *, lease_s: float = 10.0) -> None:
        self._pool = pool
        self.stream, self.lease_s = stream, lease_s
        self._connection: Any = None
        self._store_few: Any = None
        self._store_few_forwarded: Any = None
        self._heard_at = 0.0

    async def lead(self) -> Head:
        """Take the lock and return the stored head; AnotherSequencerError while somebody else holds it."""
        await self.release()
        with driver_errors():
            connection = await self._pool.acquire(timeout=10)
            try:
                return await self._take_lock(connection)
            except BaseException:
                await self._pool.release(connection)
                raise

    async def _take_lock(self, connection: Any) -> Head:  # noqa: ANN401 - asyncpg is untyped
        if not await take_lead(connection, self.stream, self.lease_s):
            raise AnotherSequencerError(self.stream)
        await connection.execute(
            "INSERT INTO audit_ledger.heads VALUES ($1, 0, decode(repeat('00', 32), 'hex')) ON CONFLICT DO NOTHING",
            self.stream)
        found = await connection.fetchrow(
            "SELECT size, entry_hash FROM audit_ledger.heads WHERE stream = $1", self.stream)
        self._store_few = await connection.prepare(_STORE_FEW)
        self._store_few_forwarded = await connection.prepare(_STORE_FEW_FORWARDED)
        self._connection, self._heard_at = connection, perf_counter()
        return Head(*found)

    async def renew(self) -> None:
        """Let the server hear of us; LostLeadError when it has ended our session meanwhile."""
        async with self._leading() as connection:
            await connection.execute("SELECT 1")

    async def recorded_at_us(self, head: Head) -> int:
        """Return when the last entry of a head was sealed, 0 when there is none to ask."""
        async with self._leading() as connection:
            found = await connection.fetchval(
                "SELECT recorded_at_us FROM audit_ledger.entries WHERE stream = $1 AND seq = $2",
                self.stream, head.size - 1)
        return found or 0

    @contextlib.asynccontextmanager
    async def _leading(self) -> AsyncIterator[Any]:
        """Give the connection for one exchange; hang up on a server that is silent for the lease.

        Then the exchange is cancelled, too: asyncpg's COPY waits for ever on a connection that ended while it was full.
        """
        connection = self._connection
        if connection is None:
            raise LedgerStoppedError
        watchdog = asyncio.get_running_loop().call_later(self.lease_s, connection.terminate)
        try:
            with driver_errors():
                async with asyncio.timeout(self.lease_s):
                    yield connection
        except LedgerDownError as cause:
            if perf_counter() - self._heard_at > self.lease_s:
                raise LostLeadError(self.stream, self.lease_s) from cause
            raise
        finally:
            watchdog.cancel()
        self._heard_at = perf_counter()

    async def append(
        self, expected: Head, rows: Iterable[tuple[Any, ...]], sealed: Callable[[], Sealed],
        origins: Sequence[tuple[int, int]] = (),
    ) -> Sealed:
        """Store a batch after `expected`, all or nothing, and return what it led to.

        `origins` are the rows of the inbox that it seals: they are gone with the same commit.

        `rows` of a large batch is consumed while it streams to the server, so that hashing overlaps storing; `sealed`
        is asked when it is drained. ForkedLedgerError: somebody wrote while we hold the lead, nothing was stored.
        LedgerDownError, LostLeadError: unknown whether it was stored; take the lead again to learn it.
        """
        remaining = iter(rows)
        few = list(islice(remaining, _FEW + 1))
        async with self._leading() as connection:
            try:
                if len(few) <= _FEW:
                    head, subtrees = sealed()
                    if not subtrees:
                        await self._append_few(expected, few, head, origins)
                        return head, subtrees
                    return await self._append_many(connection, expected, few, lambda: (head, subtrees), origins)
                return await self._append_many(connection, expected, chain(few, remaining), sealed, origins)
            except (asyncpg.UniqueViolationError, ForkedLedgerError) as cause:
                if not await still_leads(connection, self.stream):
                    raise LostLeadError(self.stream, self.lease_s) from cause
                if isinstance(cause, ForkedLedgerError):
                    raise
                raise ForkedLedgerError(self.stream, "a position we were about to fill is taken") from cause

    async def _append_few(
        self, expected: Head, rows: list[tuple[Any, ...]], head: Head, origins: Sequence[tuple[int, int]],
    ) -> None:
        """One statement, which is its own transaction: one round trip."""
        fields = list(zip(*rows, strict=True))[1:]
        statement = self._store_few_forwarded if origins else self._store_few
        moved = await statement.fetchval(
            self.stream, expected.size, expected.entry_hash, head.size, head.entry_hash, *fields, *_columns(origins))
        if moved != 1:
            raise self._head_moved(expected)

    async def _append_many(
        self, connection: Any, expected: Head, rows: Iterable[tuple[Any, ...]], sealed: Callable[[], Sealed],  # noqa: ANN401 - asyncpg
        origins: Sequence[tuple[int, int]],
    ) -> Sealed:
        async with connection.transaction():
            await connection.copy_records_to_table(
                "entries", schema_name="audit_ledger", columns=ENTRY_COLUMNS, records=rows)
            head, subtrees = sealed()
            await self._move_head(connection, expected, head)
            if origins:
                await connection.execute(_TAKEN, self.stream, *_columns(origins))
            if subtrees:
                await connection.copy_records_to_table(
                    "subtrees", schema_name="audit_ledger",
                    records=[(self.stream, place.level, place.index, held) for place, held in subtrees])
        return head, subtrees

    async def _move_head(self, connection: Any, expected: Head, head: Head) -> None:  # noqa: ANN401 - asyncpg
        moved = await connection.execute(
            "UPDATE audit_ledger.heads SET size = $4, entry_hash = $5 "
            "WHERE stream = $1 AND size = $2 AND entry_hash = $3",
            self.stream, expected.size, expected.entry_hash, head.size, head.entry_hash)
        if moved != "UPDATE 1":
            raise self._head_moved(expected)

    def _head_moved(self, expected: Head) -> ForkedLedgerError:
        return ForkedLedgerError(self.stream, f"its head is not entry {expected.size - 1} any more")

    async def store_checkpoint(self, size: int, at_us: int, note: bytes) -> None:
        """Store a signed checkpoint; the first one of a size stays."""
        with driver_errors():
            await self._pool.execute(
                "INSERT INTO audit_ledger.checkpoints VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                self.stream, size, at_us, note)

    async def release(self) -> None:
        """Give lock and connection back; a connection that cannot say goodbye is closed, which frees the lock too."""
        connection, self._connection, self._store_few = self._connection, None, None
        self._store_few_forwarded = None
        if connection is None:
            return
        try:
            with driver_errors():
                await connection.execute("SELECT pg_advisory_unlock_all()", timeout=5)
        except LedgerDownError:
            with contextlib.suppress(*DRIVER_ERRORS):
                connection.terminate()
        with contextlib.suppress(*DRIVER_ERRORS):
            await self._pool.release(connection)


def _columns(origins: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return senders and numbers apart; nothing at all when there are none."""
    return [list(column) for column in zip(*origins, strict=True)]
