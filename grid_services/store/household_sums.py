"""Consumption summed over households, such that no sum tells of fewer than a given number of them.

Shown are sums over at least n meters. Where a row filter chose the meters, the others of the same hour must be none or
at least n too: otherwise the sum over all of them, less this one, would tell of those few. Only windows that the
watermark has closed go in, only whole hours or days, and a day only when its last hour is closed: two answers about the
same time are the same, so that nothing is learnt from their difference. Meters stand for households.
"""

from datetime import datetime
from typing import Any

import asyncpg

from grid_services.store.failures import telemetry_failures
from grid_services.store.passing import arguments, passes
from shared_kernel.obligations import AggregateFloor, RowFilter

_SUMS = f"""
    WITH used AS (
        SELECT meter_id, provenance, date_trunc($3, window_start, 'UTC') AS start, last_micro - first_micro AS micro,
               {passes("meter_id", 6)} AS passes
        FROM grid_services.consumption_aggregates
        WHERE count > 1 AND last_micro >= first_micro AND window_start >= $1 AND window_start < $2),
    sums AS (
        SELECT start, start + ('1 ' || $3)::interval AS ending, provenance,
               count(DISTINCT meter_id) FILTER (WHERE passes) AS inside,
               count(DISTINCT meter_id) FILTER (WHERE NOT passes) AS outside, sum(micro) FILTER (WHERE passes) AS micro
        FROM used GROUP BY 1, 2, 3)
    SELECT start AS window_start, ending AS window_end, trim_scale(micro / 1000000.0)::text AS total_kwh,
           inside AS households, provenance, true AS is_final
    FROM sums
    WHERE inside >= $4 AND (outside = 0 OR outside >= $4) AND start >= $1 AND ending <= $2
          AND ending <= (SELECT max(window_end) FROM grid_services.consumption_aggregates)
    ORDER BY start DESC, provenance LIMIT $5
"""  # noqa: S608 - our own text


class HouseholdSums:
    """Reads sums."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def consumption(
        self, floor: AggregateFloor, start: datetime, end: datetime, limit: int, *, only: RowFilter | None,
    ) -> list[dict[str, Any]]:
        """Return the sums over whole grains within [start, end), newest first; those below the floor are left out."""
        with telemetry_failures():
            rows = await self._pool.fetch(_SUMS, start, end, floor.grain, floor.n, limit, *arguments(only))
            return [dict(row) for row in rows]
