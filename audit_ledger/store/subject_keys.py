"""The keys of sealed fields, wrapped: the writer's role adds and forgets them, the reader's role looks them up.

A key is committed before the first entry that uses it. A subject has one key at a time; `created_at_us` orders them.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import asyncpg

from audit_ledger.store.faults import driver_errors
from audit_ledger.store.snapshot import Snapshot

_COLUMNS = "commitment, subject, wrapped"

_CURRENT = f"""SELECT {_COLUMNS} FROM audit_ledger.subject_keys
    WHERE stream = $1 AND subject = $2 AND wrapped IS NOT NULL AND NOT commitment = ANY($3)
    ORDER BY created_at_us DESC, commitment LIMIT 1"""  # noqa: S608 - constant columns

_KEEP = f"""INSERT INTO audit_ledger.subject_keys (stream, {_COLUMNS}, created_at_us)
    SELECT $1, $3, $2, $4, greatest($5::bigint, max(created_at_us) + 1)
    FROM audit_ledger.subject_keys WHERE stream = $1 AND subject = $2"""  # noqa: S608 - constant columns

_ERASURES = """SELECT seq, recorded_at_us, payload FROM audit_ledger.entries
    WHERE action = 'subject_erased' AND stream = $1 AND seq >= $2 ORDER BY action, seq LIMIT $3"""

_FIRST_USE = "SELECT seq, subject FROM audit_ledger.entries WHERE sealed_key = used.key ORDER BY seq LIMIT 1"
_LAST_USE = "SELECT seq, subject FROM audit_ledger.entries WHERE sealed_key = used.key ORDER BY seq DESC LIMIT 1"

_ROWS = f"""SELECT used.*, first.seq, first.subject, last.seq, last.subject FROM (
        SELECT commitment AS key, subject, wrapped FROM audit_ledger.subject_keys
        WHERE stream = $1 AND commitment > $2 ORDER BY commitment LIMIT $3
    ) AS used LEFT JOIN LATERAL ({_FIRST_USE}) AS first ON true LEFT JOIN LATERAL ({_LAST_USE}) AS last ON true
    ORDER BY used.key"""  # noqa: S608 - constants

_USED = f"""WITH RECURSIVE found AS (
        (SELECT sealed_key AS key FROM audit_ledger.entries WHERE sealed_key > $2 ORDER BY sealed_key LIMIT 1)
        UNION ALL
        SELECT (SELECT sealed_key FROM audit_ledger.entries WHERE sealed_key > found.key ORDER BY sealed_key LIMIT 1)
        FROM found WHERE found.key IS NOT NULL
    ) SELECT used.key, k.commitment IS NOT NULL, first.seq, last.seq
    FROM (SELECT key FROM found WHERE key IS NOT NULL LIMIT $3) AS used
    CROSS JOIN LATERAL ({_FIRST_USE}) AS first CROSS JOIN LATERAL ({_LAST_USE}) AS last
    LEFT JOIN audit_ledger.subject_keys k ON k.stream = $1 AND k.commitment = used.key
    ORDER BY used.key"""  # noqa: S608 - constants
"""A loose index scan: one step a key, however many entries a key has."""

_PAGE = 500


class StoredKey(NamedTuple):
    """A key as the database has it; `wrapped` is None once it is destroyed."""

    commitment: str
    subject: str
    wrapped: bytes | None


class KeyUse(NamedTuple):
    """A stored key, and the first and last entry under it with the subjects they name; None where nothing uses it."""

    commitment: str
    subject: str
    wrapped: bytes | None
    first: int | None
    first_subject: str | None
    last: int | None
    last_subject: str | None


class SubjectKeys:
    """The keys of one stream. `writer` may be a reader's pool for whoever only looks keys up."""

    def __init__(self, writer: asyncpg.Pool, reader: asyncpg.Pool, stream: str) -> None:
        self._writer, self._reader, self._stream = writer, reader, stream

    async def current(self, subject: str, retired: Sequence[str]) -> StoredKey | None:
        """Return the subject's newest key that is neither destroyed nor retired."""
        with driver_errors():
            row = await self._reader.fetchrow(_CURRENT, self._stream, subject, retired)
        return StoredKey(*row) if row else None

    async def keep(self, new: StoredKey, at_us: int, retired: Sequence[str]) -> StoredKey:
        """Store a new key and return it; when another came first, return that one."""
        with driver_errors():
            async with self._writer.acquire(timeout=10) as connection, connection.transaction():
                await connection.execute(
                    "SELECT pg_advisory_xact_lock(hashtextextended('gridwarden.subject.' || $1 || '/' || $2, 0))",
                    self._stream, new.subject)
                row = await connection.fetchrow(_CURRENT, self._stream, new.subject, retired)
                if row is None:
                    await connection.execute(
                        _KEEP, self._stream, new.subject, new.commitment, new.wrapped, at_us)
        return StoredKey(*row) if row else new

    async def named(self, commitments: Sequence[str]) -> list[StoredKey]:
        """Return the keys of these names, destroyed ones too."""
        with driver_errors():
            rows = await self._reader.fetch(
                f"SELECT {_COLUMNS} FROM audit_ledger.subject_keys WHERE stream = $1 AND commitment = ANY($2)",  # noqa: S608 - constant columns
                self._stream, commitments)
        return [StoredKey(*row) for row in rows]

    async def of(self, subject: str) -> list[StoredKey]:
        """Return every key the subject ever had, oldest first."""
        with driver_errors():
            rows = await self._reader.fetch(
                f"SELECT {_COLUMNS} FROM audit_ledger.subject_keys WHERE stream = $1 AND subject = $2 "  # noqa: S608 - constant columns
                "ORDER BY created_at_us, commitment", self._stream, subject)
        return [StoredKey(*row) for row in rows]

    async def uses(self, commitments: Sequence[str]) -> int:
        """Return how many entries these keys seal; the index alone answers."""
        with driver_errors():
            return int(await self._reader.fetchval(
                "SELECT count(*) FROM audit_ledger.entries WHERE sealed_key = ANY($1)", commitments))

    async def destroy(self, commitments: Sequence[str], at_us: int) -> int:
        """Forget keys for good; return how many were still there."""
        with driver_errors():
            done = await self._writer.execute(
                "UPDATE audit_ledger.subject_keys SET wrapped = NULL, erased_at_us = $3 "
                "WHERE stream = $1 AND commitment = ANY($2) AND wrapped IS NOT NULL",
                self._stream, commitments, at_us)
        return int(done.removeprefix("UPDATE "))

    async def erasures(self, since: int) -> list[tuple[int, int, bytes]]:
        """Return (seq, recorded_at_us, payload) of the next entries from `since` on that tell of an erasure."""
        with driver_errors():
            return [tuple(row) for row in await self._reader.fetch(_ERASURES, self._stream, since, _PAGE)]


class SnapshotKeys:
    """The same tables as one verification sees them."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._connection: Any = snapshot._connection  # noqa: SLF001 - the snapshot lends its transaction
        self._stream: str = snapshot._stream  # noqa: SLF001 - of the same ledger

    async def erasures(self, since: int) -> list[tuple[int, int, bytes]]:
        """Return what SubjectKeys.erasures returns."""
        with driver_errors():
            return [tuple(row) for row in await self._connection.fetch(_ERASURES, self._stream, since, _PAGE)]

    async def rows(self) -> AsyncIterator[KeyUse]:
        """Yield every stored key and where it is used."""
        async for row in self._pages(_ROWS):
            yield KeyUse(*row)

    async def orphans(self) -> AsyncIterator[tuple[str, int, int]]:
        """Yield (commitment, first, last) of every key that entries name and no row holds."""
        async for commitment, is_stored, first, last in self._pages(_USED):
            if not is_stored:
                yield commitment, first, last

    async def first_use_after(self, commitment: str, seq: int) -> int:
        """Return the first entry beyond `seq` under this key."""
        return int(await self._connection.fetchval(
            "SELECT seq FROM audit_ledger.entries WHERE sealed_key = $1 AND seq > $2 ORDER BY seq LIMIT 1",
            commitment, seq))

    async def is_pruned(self) -> bool:
        """Tell whether the oldest entries, and the erasures among them, may be in an archive."""
        return bool(await self._connection.fetchval(
            "SELECT EXISTS (SELECT FROM audit_ledger.prunes WHERE stream = $1)", self._stream))

    async def _pages(self, query: str) -> AsyncIterator[Any]:
        last = ""
        while page := await self._connection.fetch(query, self._stream, last, _PAGE):
            for row in page:
                yield row
            last = page[-1][0]
