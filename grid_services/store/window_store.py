"""Windows in PostgreSQL: one transaction reads the bus, merges windows, sends late events aside, moves the offset."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import numpy as np
import orjson

from grid_services.domain.readings import DLQ_TOPIC, GROUP, SENSOR_TOPIC
from grid_services.domain.windows import (
    LATENESS_US,
    METER_WINDOW_US,
    SENSOR_WINDOW_US,
    late,
    meter_windows,
    numbered,
    sensor_windows,
)
from grid_services.store.bus_store import append
from grid_services.store.failures import telemetry_failures

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SENSORS = """
    INSERT INTO grid_services.sensor_aggregates_realtime AS w VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (window_start, sensor_id, sensor_type, provenance) DO UPDATE SET count = w.count + excluded.count,
        sum_micro = w.sum_micro + excluded.sum_micro, squares_micro = w.squares_micro + excluded.squares_micro,
        min_micro = least(w.min_micro, excluded.min_micro), max_micro = greatest(w.max_micro, excluded.max_micro)
"""
_METERS = """
    INSERT INTO grid_services.consumption_aggregates_realtime AS w VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (window_start, meter_id, provenance) DO UPDATE SET count = w.count + excluded.count,
        (first_us, first_micro) = (SELECT u, m FROM (VALUES (w.first_us, w.first_micro),
            (excluded.first_us, excluded.first_micro)) AS f(u, m) ORDER BY u, m LIMIT 1),
        (last_us, last_micro) = (SELECT u, m FROM (VALUES (w.last_us, w.last_micro),
            (excluded.last_us, excluded.last_micro)) AS f(u, m) ORDER BY u DESC, m DESC LIMIT 1)
"""
_CLOSE = """
    INSERT INTO grid_services.sensor_aggregates SELECT * FROM grid_services.sensor_aggregates_realtime
    WHERE window_end > $1 AND window_end <= $2
"""


class WindowStore:
    """Takes the next batch of a topic into its windows, exactly once."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def position(self, topic: str) -> int:
        """Return the next offset wanted."""
        with telemetry_failures():
            return await self._pool.fetchval(
                "SELECT next_offset FROM grid_services.consumer_offsets WHERE consumer_group = $1 AND topic = $2",
                GROUP, topic) or 0

    async def fold(self, topic: str, limit: int) -> tuple[int, int]:
        """Fold at most `limit` messages; return (read, late)."""
        with telemetry_failures():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(
                    "INSERT INTO grid_services.consumer_offsets (consumer_group, topic) VALUES ($1, $2) "
                    "ON CONFLICT DO NOTHING", GROUP, topic)
                state = await connection.fetchrow(
                    "SELECT next_offset, newest_us FROM grid_services.consumer_offsets WHERE consumer_group = $1 "
                    "AND topic = $2 FOR UPDATE", GROUP, topic)
                rows = await connection.fetch(
                    "SELECT message_offset, payload FROM grid_services.messages WHERE topic = $1 AND "
                    "message_offset >= $2 ORDER BY message_offset LIMIT $3", topic, state["next_offset"], limit)
                if not rows:
                    return 0, 0
                found = [orjson.loads(row["payload"]) for row in rows]
                newest, tardy = await _folded(connection, topic, found, state["newest_us"])
                await connection.execute(
                    "UPDATE grid_services.consumer_offsets SET next_offset = $3, newest_us = $4 "
                    "WHERE consumer_group = $1 AND topic = $2", GROUP, topic, rows[-1]["message_offset"] + 1, newest)
                return len(rows), tardy


async def _folded(
    connection: asyncpg.Connection, topic: str, found: Sequence[Mapping[str, Any]], newest_us: int,
) -> tuple[int, int]:
    width = SENSOR_WINDOW_US if topic == SENSOR_TOPIC else METER_WINDOW_US
    at_us, micro = (np.array([one[name] for one in found], np.int64) for name in ("observed_at_us", "micro"))
    tardy, newest = late(at_us, newest_us, width)
    kept = ~tardy
    fields = ("sensor_id", "sensor_type", "provenance") if topic == SENSOR_TOPIC else ("meter_id", "provenance")
    keys, names = numbered([tuple(one[field] for field in fields) for one in found])
    await append(connection, DLQ_TOPIC, [_letter(topic, one) for one, flag in zip(found, tardy, strict=True) if flag])
    if topic == SENSOR_TOPIC:
        await connection.executemany(_SENSORS, sorted(
            (*names[key], *_span(start, width), one.count, one.total, one.squares, one.least, one.greatest)
            for (key, start), one in sensor_windows(keys[kept], at_us[kept], micro[kept]).items()))
        await connection.execute(_CLOSE, _moment(max(0, newest_us - LATENESS_US)), _moment(newest - LATENESS_US))
    else:
        await connection.executemany(_METERS, sorted(
            (*names[key], *_span(start, width), one.count, *one.first, *one.last)
            for (key, start), one in meter_windows(keys[kept], at_us[kept], micro[kept]).items()))
    return newest, int(tardy.sum())


def _letter(topic: str, message: Mapping[str, Any]) -> str:
    return orjson.dumps({"reason": "late", "topic": topic, "event_id": message["event_id"],
                         "message": message}).decode()


def _moment(at_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_us)


def _span(start_us: int, width_us: int) -> tuple[datetime, datetime]:
    return _moment(start_us), _moment(start_us + width_us)
