"""One unchanging view of a ledger: what a verification reads, page by page, while the ledger goes on."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from audit_ledger.domain.audit.page import Page, Row
from audit_ledger.domain.columns import Columns
from audit_ledger.domain.head import Head

LAST_POSITION = 2**63 - 1

_T = TypeVar("_T")
_COLUMNS = ", ".join(Columns._fields)
_FILLED = ", ".join(f"coalesce({name}, E'\\x1d')" for name in Columns._fields)
_PAGE = 256
_PAGES_AT_ONCE = 4
_STRETCH = 256 * _PAGE
_FARTHEST = 1 << 62

ENTRIES = f"""SELECT seq, coalesce(recorded_at_us, -1), coalesce(prev_hash, ''), coalesce(entry_hash, ''),
    coalesce(payload, ''), {_COLUMNS}
    FROM audit_ledger.entries WHERE stream = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq"""  # noqa: S608 - constants

_PACKED = f"""SELECT starts.start, page.*
    FROM generate_series($2::bigint, $3::bigint, {_PAGE}) AS starts (start), LATERAL (
        SELECT count(*),
            string_agg(int8send(seq) || int8send(recorded_at_us) || int4send(octet_length(payload)) || prev_hash
                || entry_hash || int4send(octet_length(content)) || int4send(num_nulls({_COLUMNS})), ''),
            string_agg(content, '')
        FROM (
            SELECT *, payload || textsend(concat_ws(E'\\x1f', {_FILLED}, E'\\x1e')) AS content
            FROM audit_ledger.entries
            WHERE stream = $1 AND seq >= starts.start AND seq <= least(starts.start + {_PAGE - 1}, $3) ORDER BY seq
        ) AS entry) AS page"""  # noqa: S608 - constants
"""Pages as `domain.page` describes them; a NULL field leaves its entry out, which the count tells."""


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

    async def pages(
        self, since: int, rows: int, stop: int = LAST_POSITION + 1,
    ) -> AsyncGenerator[Page | Sequence[Row], None]:
        """Yield the entries from `since` up to `stop`; the server reads the next while the caller works.

        They come packed, and row by row where packing leaves a doubt. From the first stretch without any entry on they
        come row by row, `rows` at a time: what lies beyond may lie anywhere.
        """
        while since < min(stop, _FARTHEST):
            end = min(since + _STRETCH, stop)
            found = 0
            async with aclosing(self._packed(since, end - 1)) as packed:
                async for count, page in packed:
                    found += count
                    yield page
            since = end
            if not found:
                break
        if since < stop:
            cursor = await self._connection.cursor(ENTRIES, self._stream, since, stop - 1)
            async with aclosing(_read_ahead(lambda: cursor.fetch(rows))) as singly:
                async for fetched in singly:
                    yield fetched

    async def _packed(self, first: int, last: int) -> AsyncGenerator[tuple[int, Page | Sequence[Row]], None]:
        cursor = await self._connection.cursor(_PACKED, self._stream, first, last)

        async def read() -> list[tuple[int, Page | Sequence[Row]]]:
            return [(each[1], Page.unpacked(*each[1:]) or await self._rows(each[0], min(each[0] + _PAGE - 1, last)))
                    for each in await cursor.fetch(_PAGES_AT_ONCE)]

        async with aclosing(_read_ahead(read)) as ahead:
            async for pages in ahead:
                for count, page in pages:
                    if count:
                        yield count, page

    async def _rows(self, first: int, last: int) -> Sequence[Row]:
        return list(await self._connection.fetch(ENTRIES, self._stream, first, last))


async def _read_ahead(read: Callable[[], Awaitable[Sequence[_T]]]) -> AsyncGenerator[Sequence[_T], None]:
    """Yield what `read` gives until it gives nothing; the next is under way while the caller works."""
    waiting = asyncio.ensure_future(read())
    try:
        while found := await waiting:
            waiting = asyncio.ensure_future(read())
            await asyncio.sleep(0)
            yield found
    finally:
        if not waiting.done():
            await asyncio.wait((waiting,))
