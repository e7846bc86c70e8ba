"""Risk histories in PostgreSQL: increments in batches, changes of other processes out, ageing, erasure.

Every row names the transaction and the process that wrote it last. A process reads what others wrote since the oldest
transaction that was open at its last look; what it wrote itself it knows from the answer to its writing.
"""

import hashlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from policy_engine.domain.history import History
from policy_engine.store.faults import database_errors

MOST_REQUESTS = 4_096
"""A history that counts more is halved: whoever has done the same for years can still change."""
HALF_LIFE_DAYS = 30
Count = tuple[str, str, str]

_ADD_REQUESTS = """
INSERT INTO policy_engine.risk_subjects (subject, requests, writer)
SELECT s, n, $3 FROM unnest($1::text[], $2::bigint[]) AS given(s, n)
ON CONFLICT (subject) DO UPDATE SET
    requests = risk_subjects.requests + excluded.requests, writer = $3, changed = pg_current_xact_id()
RETURNING subject, requests, epoch
"""
_ADD_COUNTS = """
INSERT INTO policy_engine.risk_counts (subject, feature, value, seen, writer)
SELECT s, f, v, n, $5 FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS given(s, f, v, n)
ON CONFLICT (subject, feature, value) DO UPDATE SET
    seen = risk_counts.seen + excluded.seen, writer = $5, changed = pg_current_xact_id()
RETURNING subject, feature, value, seen
"""
_NOW = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"
_SUBJECTS = """
SELECT subject, requests, epoch FROM policy_engine.risk_subjects
WHERE changed >= $1::text::xid8 AND writer IS DISTINCT FROM $2
"""
_COUNTS = """
SELECT subject, feature, value, seen FROM policy_engine.risk_counts
WHERE changed >= $1::text::xid8 AND writer IS DISTINCT FROM $2
"""
_ERASED = "SELECT subject_hash FROM policy_engine.risk_erasures WHERE changed >= $1::text::xid8"
_DUE = """
UPDATE policy_engine.risk_subjects SET requests = requests / 2, epoch = epoch + 1, aged_at = now(), writer = NULL,
    changed = pg_current_xact_id()
WHERE subject IN (
    SELECT subject FROM policy_engine.risk_subjects
    WHERE requests > $1 OR aged_at < now() - make_interval(days => $2) ORDER BY subject LIMIT 500 FOR UPDATE SKIP LOCKED
) RETURNING subject
"""
_HALVE = """
UPDATE policy_engine.risk_counts SET seen = seen / 2, writer = NULL, changed = pg_current_xact_id()
WHERE subject = ANY($1::text[])
"""


@dataclass(slots=True)
class Changes:
    """What was written: totals, not increments. Another epoch than the one known calls for a whole reading."""

    requests: dict[str, int] = field(default_factory=dict)
    counts: dict[Count, int] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    erased: set[bytes] = field(default_factory=set)


class RiskHistoryStore:
    """Keeps what was seen of every subject; one for each process."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._writer = uuid.uuid4()
        self._since = "0"

    async def load(self) -> dict[str, History]:
        """Return the history of every subject; later `changes` are those since now."""
        async with self._connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            self._since = await connection.fetchval(_NOW)
            subjects = await connection.fetch("SELECT subject, requests, epoch FROM policy_engine.risk_subjects")
            counts = await connection.fetch(
                "SELECT subject, feature, value, seen FROM policy_engine.risk_counts WHERE seen > 0")
        return _histories(subjects, counts)

    async def changes(self) -> Changes:
        """Return what other processes wrote since the last look; some of it may come twice."""
        async with self._connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            now = await connection.fetchval(_NOW)
            subjects = await connection.fetch(_SUBJECTS, self._since, self._writer)
            counts = await connection.fetch(_COUNTS, self._since, self._writer)
            erased = await connection.fetch(_ERASED, self._since)
        self._since = now
        return Changes(
            {row["subject"]: row["requests"] for row in subjects},
            {(row["subject"], row["feature"], row["value"]): row["seen"] for row in counts},
            {row["subject"]: row["epoch"] for row in subjects}, {row["subject_hash"] for row in erased})

    async def read(self, subjects: list[str]) -> dict[str, History]:
        """Return these histories, whole."""
        async with self._connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            found = await connection.fetch(
                "SELECT subject, requests, epoch FROM policy_engine.risk_subjects WHERE subject = ANY($1)", subjects)
            counts = await connection.fetch(
                """SELECT subject, feature, value, seen FROM policy_engine.risk_counts
                WHERE subject = ANY($1) AND seen > 0""", subjects)
        return _histories(found, counts)

    async def add(self, requests: Mapping[str, int], counts: Mapping[Count, int]) -> Changes:
        """Add increments, all or none, in one order for every writer; return the totals they led to."""
        subjects, rows = sorted(requests.items()), sorted(Counter(counts).items())
        async with self._connection() as connection, connection.transaction():
            totals = await connection.fetch(
                _ADD_REQUESTS, [name for name, _ in subjects], [seen for _, seen in subjects], self._writer)
            counted = await connection.fetch(
                _ADD_COUNTS, *([key[part] for key, _ in rows] for part in range(3)), [seen for _, seen in rows],
                self._writer)
        return Changes({row["subject"]: row["requests"] for row in totals},
                       {(row["subject"], row["feature"], row["value"]): row["seen"] for row in counted},
                       {row["subject"]: row["epoch"] for row in totals})

    async def age(self) -> int:
        """Halve the histories that are too long or a half-life old, what becomes nothing goes; return how many."""
        async with self._connection() as connection, connection.transaction():
            due = [row["subject"] for row in await connection.fetch(_DUE, MOST_REQUESTS, HALF_LIFE_DAYS)]
            if due:
                await connection.execute(_HALVE, due)
                await connection.execute(
                    "DELETE FROM policy_engine.risk_counts WHERE subject = ANY($1::text[]) AND seen = 0", due)
            await connection.execute(
                "DELETE FROM policy_engine.risk_erasures WHERE erased_at < now() - interval '1 day'")
        return len(due)

    async def forget(self, subject: str) -> None:
        """Remove a subject's history; for a day a hash of its name tells the other processes."""
        async with self._connection() as connection, connection.transaction():
            await connection.execute("DELETE FROM policy_engine.risk_subjects WHERE subject = $1", subject)
            await connection.execute(
                """INSERT INTO policy_engine.risk_erasures (subject_hash) VALUES ($1)
                ON CONFLICT (subject_hash) DO UPDATE SET changed = pg_current_xact_id(), erased_at = now()""",
                hash_of(subject))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        with database_errors("the risk history"):
            async with self._pool.acquire() as connection:
                yield connection


def hash_of(subject: str) -> bytes:
    """Return what stands for an erased subject."""
    return hashlib.sha256(subject.encode()).digest()


def _histories(subjects: list[Any], counts: list[Any]) -> dict[str, History]:
    found = {row["subject"]: History(row["requests"], epoch=row["epoch"]) for row in subjects}
    for row in counts:
        if row["subject"] in found:
            found[row["subject"]].counts.setdefault(row["feature"], {})[row["value"]] = row["seen"]
    return found
