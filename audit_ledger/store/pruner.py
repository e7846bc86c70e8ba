"""Prune marks, and the only hand that deletes: below a mark, in batches, with a role that can do nothing else."""

import asyncpg

from audit_ledger.domain.archive.retention import PruneMark, refuse_pruned
from audit_ledger.store.faults import driver_errors

_BATCH = 10_000


class Prunes:
    """Reads marks, with the reader's role."""

    def __init__(self, pool: asyncpg.Pool, stream: str) -> None:
        self._pool, self._stream = pool, stream

    async def marks(self) -> list[PruneMark]:
        """Return all marks, smallest first."""
        with driver_errors():
            rows = await self._pool.fetch(
                "SELECT size, root, archive_sha256 FROM audit_ledger.prunes WHERE stream = $1 ORDER BY size",
                self._stream)
        return [PruneMark(row[0], bytes(row[1]), bytes(row[2])) for row in rows]

    async def first_seq(self) -> int:
        """Return the position of the first entry that is still here, 0 when there is none."""
        with driver_errors():
            return await self._pool.fetchval(
                "SELECT seq FROM audit_ledger.entries WHERE stream = $1 ORDER BY seq LIMIT 1", self._stream) or 0

    async def refuse_pruned(self, seq: int) -> None:
        """Raise PrunedEntryError, which names the archive, when the entry lies below a mark."""
        refuse_pruned(seq, await self.marks())


class LedgerPruner:
    """Records marks and deletes what lies below them, with the pruner's role; the database refuses all else."""

    def __init__(self, pool: asyncpg.Pool, stream: str, *, batch: int = _BATCH) -> None:
        self._pool, self._stream, self._batch = pool, stream, batch

    async def mark(self, mark: PruneMark, at_us: int) -> None:
        """Record a mark; the first of a size stays."""
        with driver_errors():
            await self._pool.execute(
                "INSERT INTO audit_ledger.prunes (stream, size, root, archive_sha256, at_us) "
                "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                self._stream, mark.size, mark.root, mark.archive_sha256, at_us)

    async def delete_some(self, size: int) -> int:
        """Delete the first entries below `size`, a batch of them; return how many, 0 when none is left."""
        with driver_errors():
            done = await self._pool.execute(
                "DELETE FROM audit_ledger.entries WHERE stream = $1 AND seq IN (SELECT seq FROM audit_ledger.entries "
                "WHERE stream = $1 AND seq < $2 ORDER BY seq LIMIT $3)", self._stream, size, self._batch)
        return int(done.removeprefix("DELETE "))
