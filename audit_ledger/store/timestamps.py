"""Answers of timestamp authorities, by checkpoint; the first of an authority and a size stays."""

import asyncpg

from audit_ledger.store.faults import driver_errors


class Timestamps:
    """Inserts with the writer's role, reads with the reader's."""

    def __init__(self, writer: asyncpg.Pool, reader: asyncpg.Pool, stream: str) -> None:
        self._writer, self._reader, self._stream = writer, reader, stream

    async def keep(self, size: int, authority: str, at_us: int, answer: bytes) -> None:
        """Store a verified answer."""
        with driver_errors():
            await self._writer.execute(
                "INSERT INTO audit_ledger.timestamps (stream, size, authority, at_us, token) "
                "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING", self._stream, size, authority, at_us, answer)

    async def last(self, authority: str) -> tuple[int, int] | None:
        """Return size and time of the newest checkpoint that an authority stamped."""
        with driver_errors():
            row = await self._reader.fetchrow(
                "SELECT size, at_us FROM audit_ledger.timestamps WHERE stream = $1 AND authority = $2 "
                "ORDER BY size DESC LIMIT 1", self._stream, authority)
        return (row[0], row[1]) if row else None
