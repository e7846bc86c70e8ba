"""What all processes of a fleet charged to the buckets that are nearly empty: one unlogged row a bucket.

The database's clock measures, because the hosts' clocks differ. A crash of the database empties the table: every
process still knows its own share.
"""

from collections.abc import Mapping

import asyncpg

from policy_engine.store.faults import database_errors

_ADD = """
INSERT INTO policy_engine.rate_limits AS kept (key, full_at)
SELECT key, clock_timestamp() + make_interval(secs => spent_us / 1e6)
FROM unnest($1::text[], $2::double precision[]) AS given (key, spent_us) ORDER BY key
ON CONFLICT (key) DO UPDATE
    SET full_at = greatest(kept.full_at, clock_timestamp()) + (excluded.full_at - clock_timestamp())
RETURNING key, extract(epoch FROM full_at - clock_timestamp()) * 1e6 AS backlog_us"""


class SharedLimits:
    """Reads and writes policy_engine.rate_limits."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def add(self, spent_us: Mapping[str, float]) -> dict[str, float]:
        """Add what this process charged; return the backlogs of those buckets as all processes made them."""
        with database_errors("the shared rate limits"):
            rows = await self._pool.fetch(_ADD, list(spent_us), list(spent_us.values()))
        return {row["key"]: max(0.0, float(row["backlog_us"])) for row in rows}

    async def prune(self) -> None:
        """Forget buckets that are full again."""
        with database_errors("the shared rate limits"):
            await self._pool.execute("DELETE FROM policy_engine.rate_limits WHERE full_at < clock_timestamp()")
