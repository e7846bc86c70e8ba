"""Trainings in PostgreSQL: models with their hash, hourly forecasts, scores; the newest run is the one that speaks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import asyncpg

from grid_services.store.load_store import load_failures

_SCORES = (
    "period", "hours", "operator", "naive_week", "without_operator", "with_operator", "coverage_without_operator",
    "coverage_with_operator",
)
_ABOUT = """
    SELECT recipe, source_sha256, data_until, trained_at, cpu_ms FROM grid_services.forecast_run
    ORDER BY run DESC LIMIT 1
"""
_MODELS = """
    SELECT variant, quantile, sha256 FROM grid_services.forecast_model
    WHERE run = (SELECT max(run) FROM grid_services.forecast_run) ORDER BY variant, quantile
"""
_SCORED = """
    SELECT period, hours, operator, naive_week, without_operator, with_operator, coverage_without_operator,
           coverage_with_operator
    FROM grid_services.forecast_score WHERE run = (SELECT max(run) FROM grid_services.forecast_run)
    ORDER BY period = 'total', period
"""
_DAY_AHEAD = """
    SELECT hour, issued_at, p10 AS forecast_p10_mw, p50 AS forecast_p50_mw, p90 AS forecast_p90_mw
    FROM grid_services.forecast_hour
    WHERE run = (SELECT max(run) FROM grid_services.forecast_run) AND kind = 'day_ahead' AND variant = $1
    ORDER BY hour
"""
_HOURS = ("kind", "variant", "hour", "issued_at", "p10", "p50", "p90")


@dataclass(frozen=True, slots=True)
class Run:
    """One training: of which recipe, from which data, how far these reached."""

    recipe: str
    source_sha256: str
    data_until: datetime


class ForecastStore:
    """Keeps the newest training."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        """Use `pool`, whose role is the application's."""
        self._pool = pool

    async def has(self, recipe: str, source_sha256: str) -> bool:
        """Tell whether this recipe was already trained on this data."""
        query = "SELECT EXISTS (SELECT FROM grid_services.forecast_run WHERE recipe = $1 AND source_sha256 = $2)"
        with load_failures():
            return bool(await self._pool.fetchval(query, recipe, source_sha256))

    async def save(self, run: Run, trained: Mapping[str, Any]) -> None:
        """Replace the former training by this one, whole or not at all."""
        with load_failures():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("DELETE FROM grid_services.forecast_run")
                number = await connection.fetchval(
                    "INSERT INTO grid_services.forecast_run (recipe, source_sha256, data_until, cpu_ms) "
                    "VALUES ($1, $2, $3, $4) RETURNING run",
                    run.recipe, run.source_sha256, run.data_until, trained["cpu_ms"],
                )
                await _models(connection, number, trained["models"])
                await _copy(connection, "forecast_hour", _HOURS, [
                    (number, one["kind"], one["variant"], _moment(one["hour"]), _moment(one["issued_at"]),
                     one["p10"], one["p50"], one["p90"]) for one in trained["hours"]
                ])
                await _copy(connection, "forecast_score", _SCORES, [
                    (number, *(one[name] for name in _SCORES)) for one in trained["scores"]
                ])

    async def about(self) -> dict[str, Any] | None:
        """Return recipe, data and time of the newest training and its models' hashes; None before the first."""
        found = await self._rows(_ABOUT)
        return {**found[0], "models": await self._rows(_MODELS)} if found else None

    async def scores(self) -> list[dict[str, Any]]:
        """Return the back-test's scores, a month each and the total last."""
        return await self._rows(_SCORED)

    async def day_ahead(self, variant: str) -> list[dict[str, Any]]:
        """Return the forecast of the day after the data's end."""
        return await self._rows(_DAY_AHEAD, variant)

    async def _rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        with load_failures():
            return [dict(row) for row in await self._pool.fetch(query, *arguments)]


async def _models(connection: asyncpg.Connection, run: int, models: Sequence[Mapping[str, Any]]) -> None:
    await _copy(connection, "forecast_model", ("variant", "quantile", "sha256", "model"), [
        (run, one["variant"], one["quantile"], sha256(one["model"].encode()).hexdigest(), one["model"])
        for one in models
    ])


async def _copy(
    connection: asyncpg.Connection, table: str, columns: Sequence[str], records: list[tuple[Any, ...]],
) -> None:
    await connection.copy_records_to_table(
        table, schema_name="grid_services", columns=("run", *columns), records=records,
    )


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
