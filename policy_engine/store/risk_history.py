"""Risk histories in PostgreSQL: increments in batches, whole histories out."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from policy_engine.domain.history import History
from shared_kernel.errors import UnavailableError

_ADD_REQUESTS = """
INSERT INTO policy_engine.risk_subjects (subject, requests) SELECT * FROM unnest($1::text[], $2::bigint[])
ON CONFLICT (subject) DO UPDATE SET requests = risk_subjects.requests + excluded.requests
"""
_ADD_COUNTS = """
INSERT INTO policy_engine.risk_counts (subject, feature, value, seen)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
ON CONFLICT (subject, feature, value) DO UPDATE SET seen = risk_counts.seen + excluded.seen
"""
_DOWN = (
    asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError, OSError, TimeoutError,
)


class RiskHistoryStore:
    """Keeps what was seen of every subject."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def load(self) -> dict[str, History]:
        """Return the history of every subject."""
        async with self._connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            subjects = await connection.fetch("SELECT subject, requests FROM policy_engine.risk_subjects")
            counts = await connection.fetch("SELECT subject, feature, value, seen FROM policy_engine.risk_counts")
        found = {row["subject"]: History(row["requests"]) for row in subjects}
        for row in counts:
            found[row["subject"]].counts.setdefault(row["feature"], {})[row["value"]] = row["seen"]
        return found

    async def add(self, requests: Mapping[str, int], counts: Mapping[tuple[str, str, str], int]) -> None:
        """Add increments, all or none, in one order for every writer."""
        subjects, rows = sorted(requests.items()), sorted(Counter(counts).items())
        async with self._connection() as connection, connection.transaction():
            await connection.execute(_ADD_REQUESTS, [name for name, _ in subjects], [seen for _, seen in subjects])
            await connection.execute(
                _ADD_COUNTS, *([key[part] for key, _ in rows] for part in range(3)), [seen for _, seen in rows],
            )

    async def forget(self, subject: str) -> None:
        """Remove a subject's history."""
        async with self._connection() as connection:
            await connection.execute("DELETE FROM policy_engine.risk_subjects WHERE subject = $1", subject)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        try:
            async with self._pool.acquire() as connection:
                yield connection
        except _DOWN as cause:
            raise UnavailableError(f"the risk history cannot be reached ({type(cause).__name__})") from cause
