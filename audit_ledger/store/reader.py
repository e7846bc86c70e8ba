"""Reading entries, tree nodes and checkpoints of one stream, with the reader's role."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from audit_ledger.domain.columns import Columns
from audit_ledger.domain.errors import UncheckableError
from audit_ledger.domain.head import Entry, Head
from audit_ledger.domain.merkle import TILE_HEIGHT, Subtree
from audit_ledger.store.faults import driver_errors
from audit_ledger.store.snapshot import Snapshot

_ENTRY = ("seq, recorded_at_us, prev_hash, entry_hash, payload, "
          "action, subject, request_id, dataset, outcome, event_time, sealed_key")
_TILE = 1 << TILE_HEIGHT
_TABLES = ("entries", "subtrees", "checkpoints", "heads")
_DISGUISED = """SELECT relname, CASE WHEN relkind <> 'r' THEN 'a view or another stand-in'
        WHEN relrowsecurity THEN 'under row level security' WHEN relhasrules THEN 'rewritten by rules'
        ELSE 'a parent of other tables' END
    FROM pg_class WHERE relnamespace = to_regnamespace('audit_ledger') AND relname = ANY ($1::text[])
    AND (relkind <> 'r' OR relrowsecurity OR relhasrules OR relispartition
         OR EXISTS (SELECT FROM pg_inherits WHERE inhparent = pg_class.oid))"""


class LedgerReader:
    """Answers from committed rows only; with the database's `url` a verification may use several processes."""

    def __init__(self, pool: asyncpg.Pool, stream: str, url: str | None = None) -> None:
        self._pool = pool
        self.stream = stream
        self.url = url

    async def streams(self) -> list[str]:
        """Return the names of the ledgers in this database."""
        return [row[0] for row in await self._fetch("SELECT stream FROM audit_ledger.heads ORDER BY stream")]

    async def refuse_disguises(self) -> None:
        """Raise UncheckableError unless what is read are the tables themselves: no view, no policy, no heirs."""
        rows = await self._fetch(_DISGUISED, list(_TABLES))
        if rows:
            raise UncheckableError(f"audit_ledger.{rows[0][0]} is no ordinary table, but {rows[0][1]}: what it shows "
                                   "need not be what is stored")

    async def head(self) -> Head | None:
        """Return the stored head, None when the database does not know the stream."""
        rows = await self._fetch("SELECT size, entry_hash FROM audit_ledger.heads WHERE stream = $1", self.stream)
        return Head(*rows[0]) if rows else None

    async def last_entry(self) -> Head:
        """Return the head as the entries themselves tell it."""
        rows = await self._fetch(
            "SELECT seq + 1, entry_hash FROM audit_ledger.entries WHERE stream = $1 ORDER BY seq DESC LIMIT 1",
            self.stream)
        return Head(*rows[0]) if rows else Head()

    async def entries(self, after: int, limit: int) -> list[Entry]:
        """Return entries from position `after` on, in order."""
        rows = await self._fetch(
            f"SELECT {_ENTRY} FROM audit_ledger.entries WHERE stream = $1 AND seq >= $2 ORDER BY seq LIMIT $3",  # noqa: S608 - constant columns
            self.stream, after, limit)
        return [_entry(row) for row in rows]

    async def find(self, criteria: dict[str, str], before: int | None, limit: int) -> list[Entry]:
        """Return the newest entries whose columns equal all criteria; the keys are names of `Columns`."""
        wanted = {name: value for name, value in criteria.items() if name in Columns._fields}
        tests = "".join(f" AND {name} = ${place}" for place, name in enumerate(wanted, start=4))
        rows = await self._fetch(
            f"SELECT {_ENTRY} FROM audit_ledger.entries WHERE stream = $1 AND seq < $2{tests} "  # noqa: S608 - names of Columns
            "ORDER BY seq DESC LIMIT $3",
            self.stream, before if before is not None else 2**63 - 1, limit, *wanted.values())
        return [_entry(row) for row in rows]

    async def checkpoint_before(self, size: int) -> bytes | None:
        """Return the newest signed checkpoint of at most `size` entries."""
        rows = await self._fetch(
            "SELECT note FROM audit_ledger.checkpoints WHERE stream = $1 AND size <= $2 ORDER BY size DESC LIMIT 1",
            self.stream, size)
        return bytes(rows[0][0]) if rows else None

    async def nodes(self, places: Sequence[Subtree]) -> list[bytes | None]:
        """Return stored hashes: leaves from the entries, the others from the subtrees; None where there is none."""
        tiles = sorted({(place.level, place.index // _TILE) for place in places})
        if not tiles:
            return []
        query = " UNION ALL ".join(_tile_query(level, number) for number, (level, _) in enumerate(tiles))
        starts = [first * _TILE for _, first in tiles]
        rows = await self._fetch(query, self.stream, *starts)
        found = {(row[0], row[1]): row[2] for row in rows}
        return [found.get((place.level, place.index)) for place in places]

    async def tiles(self, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """Return the hashes of tiles, joined, by (level, number); where one is gone, what stands before it."""
        if not places:
            return {}
        query = " UNION ALL ".join(_joined_tile_query(level, number) for number, (level, _) in enumerate(places))
        rows = await self._fetch(query, self.stream, *(tile * _TILE for _, tile in places))
        return {places[row[0]]: row[1] or b"" for row in rows}

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """Open one unchanging view of the whole ledger, for a verification."""
        with driver_errors():
            async with (
                self._pool.acquire(timeout=10) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield Snapshot(connection, self.stream)

    @asynccontextmanager
    async def alone(self, mark: str) -> AsyncIterator[None]:
        """Let nobody else in here under the same mark meanwhile, in whichever process."""
        with driver_errors():
            async with self._pool.acquire(timeout=10) as connection, connection.transaction():
                await connection.execute(
                    "SELECT pg_advisory_xact_lock(hashtextextended('gridwarden.mark.' || $1 || '/' || $2, 0))",
                    self.stream, mark)
                yield

    async def _fetch(self, query: str, *values: Any) -> list[Any]:  # noqa: ANN401 - SQL values
        with driver_errors():
            return list(await self._pool.fetch(query, *values))


def _tile_query(level: int, number: int) -> str:
    start = f"${number + 2}::bigint"
    if level == 0:
        return (f"SELECT 0, seq, entry_hash FROM audit_ledger.entries WHERE stream = $1 AND seq >= {start} "  # noqa: S608 - numbers
                f"AND seq < {start} + {_TILE}")
    return (f"SELECT {level:d}, index, hash FROM audit_ledger.subtrees WHERE stream = $1 AND level = {level:d} "  # noqa: S608 - numbers
            f"AND index >= {start} AND index < {start} + {_TILE}")


def _joined_tile_query(level: int, number: int) -> str:
    place, held, table, at_level = (("seq", "entry_hash", "entries", "") if level == 0 else
                                    ("index", "hash", "subtrees", f"AND level = {level:d}"))
    start = f"${number + 2}::bigint"
    return (f"SELECT {number:d}, string_agg(held, '') FROM (SELECT {held} AS held, "  # noqa: S608 - names and numbers
            f"{place} - row_number() OVER (ORDER BY {place}) AS before FROM audit_ledger.{table} WHERE stream = $1 "
            f"{at_level} AND {place} >= {start} AND {place} < {start} + {_TILE} ORDER BY {place}) AS node "
            f"WHERE before = {start} - 1")


def _entry(row: Any) -> Entry:  # noqa: ANN401 - asyncpg is untyped
    return Entry(row[0], row[1], row[2], row[3], row[4], Columns(*row[5:]))
