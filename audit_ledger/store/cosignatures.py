"""Cosignatures of witnesses, by checkpoint; the first of a witness and a size stays."""

from dataclasses import dataclass

import asyncpg

from audit_ledger.store.faults import driver_errors


@dataclass(frozen=True, slots=True)
class LastWord:
    """The largest checkpoint a witness ever cosigned here, and when."""

    size: int
    time_s: int


class Cosignatures:
    """Inserts with the writer's role, reads with the reader's; a witness is `name+key id`."""

    def __init__(self, writer: asyncpg.Pool, reader: asyncpg.Pool, stream: str) -> None:
        self._writer, self._reader, self._stream = writer, reader, stream

    async def keep(self, size: int, witness: str, time_s: int, line: str) -> None:
        """Store one verified cosignature line."""
        with driver_errors():
            await self._writer.execute(
                "INSERT INTO audit_ledger.cosignatures (stream, size, witness, timestamp_s, line) "
                "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING", self._stream, size, witness, time_s, line)

    async def last_words(self) -> dict[str, LastWord]:
        """Return for each witness what it cosigned last."""
        with driver_errors():
            rows = await self._reader.fetch(
                "SELECT DISTINCT ON (witness) witness, size, timestamp_s FROM audit_ledger.cosignatures "
                "WHERE stream = $1 ORDER BY witness, size DESC", self._stream)
        return {row[0]: LastWord(row[1], row[2]) for row in rows}

    async def notes(self, limit: int) -> list[bytes]:
        """Return the newest cosigned checkpoints, largest first, each note with its cosignature lines."""
        with driver_errors():
            rows = await self._reader.fetch(
                "SELECT note, string_agg(line, '' ORDER BY witness) FROM audit_ledger.checkpoints "
                "JOIN audit_ledger.cosignatures USING (stream, size) WHERE stream = $1 "
                "GROUP BY size, note ORDER BY size DESC LIMIT $2", self._stream, limit)
        return [bytes(row[0]) + row[1].encode() for row in rows]
