"""Lineage's tables: kinds of runs with their counts, and the edges they proved."""

import asyncpg

from governance.domain.lineage import Edge, Grain, Run, RunSummary, edges_of
from governance.store.connection import transaction

_COUNT_RUN = """
    INSERT INTO governance.lineage_runs (shape, job, inputs, outputs, times, first_at_us, last_at_us)
    VALUES ($1, $2, $3, $4, 1, $5, $5)
    ON CONFLICT (shape) DO UPDATE SET times = lineage_runs.times + 1,
        first_at_us = least(lineage_runs.first_at_us, excluded.first_at_us),
        last_at_us = greatest(lineage_runs.last_at_us, excluded.last_at_us)
    RETURNING times
"""
_KEEP_EDGE = """
    INSERT INTO governance.lineage_edges (grain, source, target, job) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
_RUNS = """
    SELECT job, inputs, outputs, times, first_at_us, last_at_us FROM governance.lineage_runs
    WHERE job = ANY($1) ORDER BY last_at_us DESC, shape LIMIT 200
"""


class LineageStore:
    """Keeps what ran."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def keep(self, run: Run, at_us: int) -> None:
        """Count a completed run; the first of its shape also leaves its edges, in the same transaction."""
        async with transaction(self._pool) as connection:
            times = await connection.fetchval(
                _COUNT_RUN, run.shape, run.job, list(run.inputs), list(run.outputs), at_us,
            )
            if times == 1:
                rows = [(edge.grain, edge.source, edge.target, edge.job) for edge in edges_of(run)]
                await connection.executemany(_KEEP_EDGE, rows)

    async def edges(self) -> list[Edge]:
        """Return every edge."""
        async with transaction(self._pool) as connection:
            rows = await connection.fetch("SELECT job, grain, source, target FROM governance.lineage_edges")
        return [Edge(row["job"], Grain(row["grain"]), row["source"], row["target"]) for row in rows]

    async def runs(self, jobs: set[str]) -> list[RunSummary]:
        """Return the latest 200 kinds of runs of these jobs."""
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(_RUNS, list(jobs))
        return [
            RunSummary(row["job"], tuple(row["inputs"]), tuple(row["outputs"]), row["times"], row["first_at_us"],
                       row["last_at_us"])
            for row in rows
        ]
