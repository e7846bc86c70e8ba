"""Questions about telemetry: what was read, what the windows say. Standard deviations are of the sample (n - 1).

`is_final` tells windows the watermark has closed, which never change, from those still open. Devices are found by
leaping through the index from one to the next, not by reading every reading.
"""

from datetime import datetime
from typing import Any

import asyncpg

from grid_services.store.failures import telemetry_failures
from grid_services.store.passing import arguments, passes
from shared_kernel.obligations import RowFilter

_STATISTICS = """
    SELECT sensor_id, sensor_type, min(observed_at) AS window_start, max(observed_at) AS window_end, avg(value) AS avg,
           min(value) AS min, max(value) AS max, count(*) AS count, stddev_samp(value) AS stddev, provenance
    FROM grid_services.sensor_data WHERE sensor_id = $1 AND observed_at >= $2 AND observed_at < $3
    GROUP BY sensor_id, sensor_type, provenance ORDER BY sensor_type, provenance
"""
_SENSOR_WINDOWS = f"""
    SELECT sensor_id, sensor_type, window_start, window_end, (sum_micro / count / 1e6)::float8 AS avg,
           min_micro / 1e6::float8 AS min, max_micro / 1e6::float8 AS max, count,
           CASE WHEN count > 1 THEN sqrt((squares_micro * count - sum_micro * sum_micro)
                / (count::numeric * (count - 1)))::float8 / 1e6 END AS stddev, provenance, is_final
    FROM (SELECT *, true AS is_final FROM grid_services.sensor_aggregates
          UNION ALL SELECT *, false FROM grid_services.sensor_aggregates_realtime) AS w
    WHERE ($1::text IS NULL OR sensor_id = $1) AND window_start >= $2 AND window_start < $3
          AND {passes("sensor_id", 5)}
    ORDER BY window_start DESC, sensor_id, sensor_type, provenance LIMIT $4
"""  # noqa: S608 - our own text
_CONSUMPTION = f"""
    SELECT meter_id, window_start, window_end, CASE WHEN count > 1 AND last_micro >= first_micro
           THEN trim_scale((last_micro - first_micro) / 1000000.0)::text END AS total_kwh, count, provenance,
           is_final
    FROM (SELECT *, true AS is_final FROM grid_services.consumption_aggregates
          UNION ALL SELECT *, false FROM grid_services.consumption_aggregates_realtime) AS w
    WHERE ($1::text IS NULL OR meter_id = $1) AND window_start >= $2 AND window_start < $3
          AND {passes("meter_id", 5)}
    ORDER BY window_start DESC, meter_id, provenance LIMIT $4
"""  # noqa: S608 - our own text
_READINGS = """
    SELECT event_id, meter_id, customer_id, observed_at AS timestamp, reading_kwh::text AS reading_kwh, provenance
    FROM grid_services.meter_readings WHERE meter_id = $1 AND observed_at >= $2 AND observed_at < $3
    ORDER BY observed_at DESC, event_id LIMIT $4
"""
_SENSORS = f"""
    WITH RECURSIVE known(sensor_id, sensor_type, provenance) AS (
        (SELECT sensor_id, sensor_type, provenance FROM grid_services.sensor_data ORDER BY 1, 2, 3 LIMIT 1)
        UNION ALL
        SELECT following.* FROM known CROSS JOIN LATERAL (
            SELECT s.sensor_id, s.sensor_type, s.provenance FROM grid_services.sensor_data s
            WHERE (s.sensor_id, s.sensor_type, s.provenance) > (known.sensor_id, known.sensor_type, known.provenance)
            ORDER BY 1, 2, 3 LIMIT 1) AS following)
    SELECT known.sensor_id, known.sensor_type, newest.unit, newest.timestamp, known.provenance
    FROM (SELECT * FROM known WHERE {passes("sensor_id", 2)} LIMIT $1) AS known CROSS JOIN LATERAL (
        SELECT unit, observed_at AS timestamp FROM grid_services.sensor_data s
        WHERE (s.sensor_id, s.sensor_type, s.provenance) = (known.sensor_id, known.sensor_type, known.provenance)
        ORDER BY observed_at DESC LIMIT 1) AS newest
    ORDER BY 1, 2, 5
"""  # noqa: S608 - our own text
_METERS = f"""
    WITH RECURSIVE heard(meter_id) AS (
        (SELECT meter_id FROM grid_services.meter_readings ORDER BY 1 LIMIT 1)
        UNION ALL
        SELECT following.* FROM heard CROSS JOIN LATERAL (
            SELECT r.meter_id FROM grid_services.meter_readings r WHERE r.meter_id > heard.meter_id
            ORDER BY 1 LIMIT 1) AS following),
    known(meter_id) AS (
        SELECT meter_id FROM (
            (SELECT meter_id FROM heard WHERE {passes("meter_id", 2)} LIMIT $1)
            UNION SELECT meter_id COLLATE "C" FROM grid_services.customers
            UNION SELECT meter_id COLLATE "C" FROM grid_services.quarantined_meters) AS any_of_them
        WHERE {passes("meter_id", 2)} ORDER BY 1 LIMIT $1)
    SELECT known.meter_id, newest.timestamp, coalesce(newest.provenance, c.provenance) AS provenance,
           q.reason AS quarantined
    FROM known LEFT JOIN LATERAL (
        SELECT observed_at AS timestamp, provenance FROM grid_services.meter_readings r
        WHERE r.meter_id = known.meter_id ORDER BY observed_at DESC LIMIT 1) AS newest ON true
    LEFT JOIN grid_services.quarantined_meters q ON q.meter_id = known.meter_id
    LEFT JOIN grid_services.customers c ON c.meter_id = known.meter_id ORDER BY 1
"""  # noqa: S608 - our own text


class TelemetryStore:
    """Reads; every answer is a list of rows."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def statistics(self, sensor_id: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Return one row a type and provenance: simulated values are never mixed with measured ones."""
        return await self._rows(_STATISTICS, sensor_id, start, end)

    async def sensor_windows(
        self, sensor_id: str | None, start: datetime, end: datetime, limit: int, only: RowFilter | None = None,
    ) -> list[dict[str, Any]]:
        """Return windows that start in [start, end), newest first, of sensors that pass."""
        return await self._rows(_SENSOR_WINDOWS, sensor_id, start, end, limit, *arguments(only))

    async def consumption(
        self, meter_id: str | None, start: datetime, end: datetime, limit: int, only: RowFilter | None = None,
    ) -> list[dict[str, Any]]:
        """Return consumption windows that start in [start, end), newest first, of meters that pass."""
        return await self._rows(_CONSUMPTION, meter_id, start, end, limit, *arguments(only))

    async def readings(self, meter_id: str, start: datetime, end: datetime, limit: int) -> list[dict[str, Any]]:
        """Return a meter's readings in [start, end), newest first."""
        return await self._rows(_READINGS, meter_id, start, end, limit)

    async def sensors(self, limit: int, only: RowFilter | None = None) -> list[dict[str, Any]]:
        """Return the sensors heard of that pass, a row a type and provenance, as of the newest reading."""
        return await self._rows(_SENSORS, limit, *arguments(only))

    async def meters(self, limit: int, only: RowFilter | None = None) -> list[dict[str, Any]]:
        """Return the meters read, registered or quarantined that pass, each with the reason of its quarantine."""
        return await self._rows(_METERS, limit, *arguments(only))

    async def customers(self) -> list[dict[str, Any]]:
        """Return the simulated registry."""
        return await self._rows(
            "SELECT customer_id, name, address, meter_id, provenance FROM grid_services.customers ORDER BY 1")

    async def _rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        with telemetry_failures():
            return [dict(row) for row in await self._pool.fetch(query, *arguments)]
