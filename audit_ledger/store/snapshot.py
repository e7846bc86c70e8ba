"""One unchanging view of a ledger: what a verification reads, page by page, while the ledger goes on."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

from audit_ledger.domain.head import Head

LAST_POSITION = 2**63 - 1

ENTRIES = """SELECT seq, coalesce(recorded_at_us, -1), coalesce(prev_hash, ''), coalesce(entry_hash, ''),
    coalesce(payload, ''), action, subject, request_id, dataset, outcome, event_time, sealed_key
    FROM audit_ledger.entries WHERE stream = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq"""


class Snapshot:
    """Reads within one REPEATABLE READ transaction; damaged rows (even NULLs) come through as they are."""

    def __init__(self, connection: Any, stream: str) -> None:  # noqa: ANN401 - asyncpg is untyped
        self._connection = connection
        self._stream = stream

    async def head(self) -> Head | None:
        """Return the head row."""
        row = await self._connection.fetchrow(
            "SELECT size, entry_hash FROM audit_ledger.heads WHERE stream = $1", self._stream)
        return Head(*row) if row else None

    async def count_beyond(self, since: int) -> int:
        """Return how many entries lie at `since` and beyond, by position: one look at the index."""
        last = await self._connection.fetchval(
            "SELECT seq FROM audit_ledger.entries WHERE stream = $1 ORDER BY seq DESC LIMIT 1", self._stream)
        return 0 if last is None else max(0, last + 1 - since)

    async def foreign_streams(self) -> list[tuple[str, int]]:
        """Return the other streams that have entries, with their first position; skips along the index."""
        found: list[tuple[str, int]] = []
        name = ""
        while (row := await self._connection.fetchrow(
            "SELECT stream, seq FROM audit_ledger.entries WHERE stream > $1 ORDER BY stream, seq LIMIT 1", name,
        )) is not None:
            name = row[0]
            if name != self._stream:
                found.append((name, row[1]))
        return found

    async def checkpoints(self) -> list[tuple[int, bytes]]:
        """Return (size, note) of every stored checkpoint, smallest first."""
        rows = await self._connection.fetch(
            "SELECT size, note FROM audit_ledger.checkpoints WHERE stream = $1 ORDER BY size", self._stream)
        return [(row[0], row[1]) for row in rows]

    async def subtrees(self) -> AsyncIterator[tuple[int, int, bytes]]:
        """Yield (level, index, hash) of every stored subtree."""
        async for row in self._connection.cursor(
            "SELECT level, index, hash FROM audit_ledger.subtrees WHERE stream = $1 ORDER BY level, index",
            self._stream, prefetch=1_000,
        ):
            yield row[0], row[1], row[2]

    async def entry_hash(self, seq: int) -> bytes | None:
        """Return one stored entry hash."""
        found = await self._connection.fetchval(
            "SELECT entry_hash FROM audit_ledger.entries WHERE stream = $1 AND seq = $2", self._stream, seq)
        return None if found is None else bytes(found)

    async def identity(self) -> tuple[str, str]:
        """Return the name under which another connection can share this view, and the role that reads."""
        row = await self._connection.fetchrow("SELECT pg_export_snapshot(), current_user::text")
        return row[0], row[1]

    async def pages(self, since: int, rows: int, stop: int = LAST_POSITION + 1) -> AsyncGenerator[Sequence[Any], None]:
        """Yield the entries from `since` up to `stop` in pages; the server reads the next while the caller works."""
        cursor = await self._connection.cursor(ENTRIES, self._stream, since, stop - 1)
        waiting = asyncio.ensure_future(cursor.fetch(rows))
        try:
            while page := await waiting:
                waiting = asyncio.ensure_future(cursor.fetch(rows))
                await asyncio.sleep(0)
                yield page
        finally:
            if not waiting.done():
                await asyncio.wait((waiting,))
