"""The forecast's error on 2025, walk-forward, beside the operator's and the naive week's on the same hours.

The training is deterministic: five samples would be five times the same figure, so it runs once.
"""

import asyncpg

from benchmarks.metric import Metric
from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from grid_services.adapters.forecast_process import TrainingProcess
from grid_services.adapters.load_parquet import ParquetArchive
from grid_services.service.forecasting import Forecasting
from grid_services.service.load_archive import LoadArchive
from grid_services.store.forecast_store import ForecastStore
from grid_services.store.load_store import LoadStore

_GOALS = {"without_operator": "<= 8.1", "with_operator": "<= 7.3"}


class _NoLineage:
    """Nobody asks where a benchmark's figures came from."""

    async def ran(self, job: str, **_about: object) -> None:
        """Forget the run."""


async def measure(url: str) -> list[Metric]:
    """Load, train and read the total's errors; the CPU seconds are the training process's own."""
    pool = await open_pool(url, APP, size=2)
    try:
        return await _measure(pool)
    finally:
        await pool.close()


async def _measure(pool: asyncpg.Pool) -> list[Metric]:
    loads, lineage = LoadStore(pool), _NoLineage()
    await LoadArchive(ParquetArchive(), loads, lineage).load()
    forecasting = Forecasting(loads, ForecastStore(pool), TrainingProcess(), lineage)
    await forecasting.ensure_trained()
    found = await forecasting.backtest()
    total = found["scores"][-1]
    peer = f"operator {total['operator']:.2f}, naive week {total['naive_week']:.2f}, same {total['hours']:,} hours"
    errors = [Metric(f"grid.forecast_bih_2025.mape.{variant}", "%", (total[variant],), goal, peer)
              for variant, goal in _GOALS.items()]
    return [*errors, Metric("grid.forecast_bih_2025.training_cpu", "CPU-s", (found["about"]["cpu_ms"] / 1000,), "< 60")]
