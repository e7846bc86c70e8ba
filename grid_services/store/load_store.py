"""The load archive in PostgreSQL: written whole or not at all, read by range."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from grid_services.domain.load_hours import LoadHour, Series
from shared_kernel.errors import UnavailableError

TABLES = ("load_actual", "load_forecast")

_COMPARISON = """
    SELECT a.hour, CASE WHEN a.quality = 'ok' THEN a.mw END AS actual_mw,
           CASE WHEN o.quality = 'ok' THEN o.mw END AS operator_forecast_mw,
           f.p10 AS forecast_p10_mw, f.p50 AS forecast_p50_mw, f.p90 AS forecast_p90_mw, a.quality
    FROM grid_services.load_actual a
    LEFT JOIN grid_services.load_forecast o USING (hour)
    LEFT JOIN grid_services.forecast_hour f ON f.hour = a.hour AND f.kind = 'backtest' AND f.variant = $3
         AND f.run = (SELECT max(run) FROM grid_services.forecast_run)
    WHERE a.hour >= $1 AND a.hour < $2 ORDER BY a.hour
"""
_STATISTICS = """
    SELECT to_char(local, 'YYYY-MM') AS month, count(*) AS hours,
           count(*) FILTER (WHERE quality = 'ok') AS ok, count(*) FILTER (WHERE quality = 'zero') AS zero,
           count(*) FILTER (WHERE quality = 'spike') AS spike,
           count(*) FILTER (WHERE quality = 'missing') AS missing,
           avg(mw) FILTER (WHERE quality = 'ok') AS mean_mw, min(mw) FILTER (WHERE quality = 'ok') AS min_mw,
           max(mw) FILTER (WHERE quality = 'ok') AS max_mw, sum(mw) FILTER (WHERE quality = 'ok') / 1000 AS measured_gwh
    FROM (SELECT hour AT TIME ZONE 'Europe/Sarajevo' AS local, mw, quality FROM grid_services.load_actual) AS hours
    WHERE local >= make_timestamp($1, 1, 1, 0, 0, 0) AND local < make_timestamp($1 + 1, 1, 1, 0, 0, 0)
    GROUP BY ROLLUP (to_char(local, 'YYYY-MM')) ORDER BY month NULLS LAST
"""


@contextmanager
def load_failures() -> Iterator[None]:
    """Turn a database that does not answer into the kernel's word for it."""
    try:
        yield
    except (
        asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError,
        asyncpg.OperatorInterventionError, OSError, TimeoutError,
    ) as cause:
        raise UnavailableError("the load archive's database does not answer: retry later") from cause


@dataclass(frozen=True, slots=True)
class Span:
    """The first and the last hour of an archive."""

    first: datetime
    last: datetime


class Loading:
    """One open transaction that replaces archives; nothing shows before it ends well."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        """Write through `connection`, whose transaction is open."""
        self._connection = connection

    async def loaded(self) -> dict[str, str]:
        """Return the fingerprint of each archive already loaded."""
        rows = await self._connection.fetch("SELECT name, sha256 FROM grid_services.load_source")
        return {row["name"]: row["sha256"] for row in rows}

    async def empty(self, table: str) -> None:
        """Delete what a former edition of the archive left."""
        await self._connection.execute(f"DELETE FROM grid_services.{_known(table)}")  # noqa: S608 - a known name

    async def append(self, table: str, hours: Sequence[LoadHour]) -> None:
        """COPY a batch of hours."""
        await self._connection.copy_records_to_table(
            _known(table), schema_name="grid_services", columns=("hour", "mw", "quality"),
            records=[(one.hour, one.mw, one.quality.value) for one in hours],
        )

    async def finish(self, table: str, *, sha256: str, hours: int) -> None:
        """Note the edition, so that the next start loads nothing."""
        await self._connection.execute(
            "INSERT INTO grid_services.load_source (name, sha256, hours) VALUES ($1, $2, $3) ON CONFLICT (name) "
            "DO UPDATE SET sha256 = excluded.sha256, hours = excluded.hours, loaded_at = now()",
            _known(table), sha256, hours,
        )


class LoadStore:
    """Reads and replaces the two archives."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        """Use `pool`, whose role is the application's."""
        self._pool = pool

    @asynccontextmanager
    async def loading(self) -> AsyncIterator[Loading]:
        """Open the one transaction of a load; a second process that loads waits here."""
        with load_failures():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(hashtext('grid_services.load'))")
                yield Loading(connection)

    async def fingerprint(self) -> str | None:
        """Return the fingerprints of both archives as one text; None before both are loaded."""
        with load_failures():
            rows = await self._pool.fetch("SELECT sha256 FROM grid_services.load_source ORDER BY name")
        return "+".join(row["sha256"] for row in rows) if len(rows) == len(TABLES) else None

    async def span(self) -> Span | None:
        """Return how far the measured archive reaches; None when it is empty."""
        with load_failures():
            row = await self._pool.fetchrow("SELECT min(hour) AS a, max(hour) AS z FROM grid_services.load_actual")
        return Span(row["a"], row["z"]) if row["a"] else None

    async def series(self, table: str) -> Series:
        """Return a whole archive; raises ValueError when it is empty."""
        with load_failures():
            row = await self._pool.fetchrow(
                f"SELECT min(extract(epoch FROM hour))::bigint AS first, "  # noqa: S608 - a known name
                f"array_agg(CASE WHEN quality = 'ok' THEN mw END ORDER BY hour) AS mw "
                f"FROM grid_services.{_known(table)}",
            )
        if row["first"] is None:
            message = f"{table} is empty"
            raise ValueError(message)
        return Series(row["first"], row["mw"])

    async def actual(self, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Return hours in [start, end): `actual_mw` is null unless the quality is ok."""
        return await self._rows(
            "SELECT hour, CASE WHEN quality = 'ok' THEN mw END AS actual_mw, quality "
            "FROM grid_services.load_actual WHERE hour >= $1 AND hour < $2 ORDER BY hour", start, end,
        )

    async def comparison(self, start: datetime, end: datetime, variant: str) -> list[dict[str, Any]]:
        """Return measured, operator's and our back-tested forecast side by side for [start, end)."""
        return await self._rows(_COMPARISON, start, end, variant)

    async def statistics(self, year: int) -> list[dict[str, Any]]:
        """Return figures a local month and, with month None, of the year; only ok hours enter the figures."""
        return await self._rows(_STATISTICS, year)

    async def _rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        with load_failures():
            return [dict(row) for row in await self._pool.fetch(query, *arguments)]


def _known(table: str) -> str:
    if table not in TABLES:
        message = f"there is no load archive {table!r}"
        raise ValueError(message)
    return table
