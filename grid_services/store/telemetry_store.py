"""Questions about telemetry: what was read, what the windows say. Standard deviations are of the sample (n - 1)."""

from datetime import datetime
from typing import Any

import asyncpg

from grid_services.store.failures import telemetry_failures

_STATISTICS = """
    SELECT sensor_id, sensor_type, min(observed_at) AS window_start, max(observed_at) AS window_end, avg(value) AS avg,
           min(value) AS min, max(value) AS max, count(*) AS count, stddev_samp(value) AS stddev, provenance
    FROM grid_services.sensor_data WHERE sensor_id = $1 AND observed_at >= $2 AND observed_at < $3
    GROUP BY sensor_id, sensor_type, provenance ORDER BY sensor_type, provenance
"""
_SENSOR_WINDOWS = """
    SELECT sensor_id, sensor_type, window_start, window_end, (sum_micro / count / 1e6)::float8 AS avg,
           min_micro / 1e6::float8 AS min, max_micro / 1e6::float8 AS max, count,
           CASE WHEN count > 1 THEN sqrt((squares_micro * count - sum_micro * sum_micro)
                / (count::numeric * (count - 1)))::float8 / 1e6 END AS stddev, provenance
    FROM grid_services.sensor_aggregates_realtime
    WHERE ($1::text IS NULL OR sensor_id = $1) AND window_start >= $2 AND window_start < $3
    ORDER BY window_start DESC, sensor_id, sensor_type, provenance LIMIT $4
"""
_CONSUMPTION = """
    SELECT meter_id, window_start, window_end, CASE WHEN count > 1 AND last_micro >= first_micro
           THEN trim_scale((last_micro - first_micro) / 1000000.0)::text END AS total_kwh, count, provenance
    FROM grid_services.consumption_aggregates_realtime
    WHERE ($1::text IS NULL OR meter_id = $1) AND window_start >= $2 AND window_start < $3
    ORDER BY window_start DESC, meter_id, provenance LIMIT $4
"""
_READINGS = """
    SELECT event_id, meter_id, customer_id, observed_at AS timestamp, reading_kwh::text AS reading_kwh, provenance
    FROM grid_services.meter_readings WHERE meter_id = $1 AND observed_at >= $2 AND observed_at < $3
    ORDER BY observed_at DESC, event_id LIMIT $4
"""
_SENSORS = """
    SELECT sensor_id, sensor_type, max(unit) AS unit, max(observed_at) AS timestamp, provenance
    FROM grid_services.sensor_data GROUP BY sensor_id, sensor_type, provenance ORDER BY 1, 2, 5 LIMIT $1
"""
_METERS = """
    SELECT meter_id, max(observed_at) AS timestamp, min(provenance) AS provenance
    FROM grid_services.meter_readings GROUP BY meter_id ORDER BY 1 LIMIT $1
"""


class TelemetryStore:
    """Reads; every answer is a list of rows."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def statistics(self, sensor_id: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Return one row a type and provenance: simulated values are never mixed with measured ones."""
        return await self._rows(_STATISTICS, sensor_id, start, end)

    async def sensor_windows(
        self, sensor_id: str | None, start: datetime, end: datetime, limit: int,
    ) -> list[dict[str, Any]]:
        """Return windows that start in [start, end), newest first."""
        return await self._rows(_SENSOR_WINDOWS, sensor_id, start, end, limit)

    async def consumption(
        self, meter_id: str | None, start: datetime, end: datetime, limit: int,
    ) -> list[dict[str, Any]]:
        """Return consumption windows that start in [start, end), newest first."""
        return await self._rows(_CONSUMPTION, meter_id, start, end, limit)

    async def readings(self, meter_id: str, start: datetime, end: datetime, limit: int) -> list[dict[str, Any]]:
        """Return a meter's readings in [start, end), newest first."""
        return await self._rows(_READINGS, meter_id, start, end, limit)

    async def sensors(self, limit: int) -> list[dict[str, Any]]:
        """Return the sensors heard of."""
        return await self._rows(_SENSORS, limit)

    async def meters(self, limit: int) -> list[dict[str, Any]]:
        """Return the meters heard of."""
        return await self._rows(_METERS, limit)

    async def customers(self) -> list[dict[str, Any]]:
        """Return the simulated registry."""
        return await self._rows(
            "SELECT customer_id, name, address, meter_id, provenance FROM grid_services.customers ORDER BY 1")

    async def _rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        with telemetry_failures():
            return [dict(row) for row in await self._pool.fetch(query, *arguments)]
