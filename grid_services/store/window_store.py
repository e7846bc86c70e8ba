"""Windows in PostgreSQL: one transaction reads the bus, merges windows, sends late events aside, moves the offset.

Windows still open stand in `*_aggregates_realtime` and are updated; the watermark moves them to `*_aggregates`, where
nothing changes any more, because from then on their events are late.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import asyncpg
import numpy as np

from grid_services.domain.dead_letters import DeadLetter
from grid_services.domain.readings import DLQ_TOPIC, GROUP, METER_TOPIC, SENSOR_TOPIC
from grid_services.domain.windows import (
    LATENESS_US,
    METER_WINDOW_US,
    SENSOR_WINDOW_US,
    Ints,
    MeterState,
    SensorState,
    late,
    meter_windows,
    numbered,
    sensor_windows,
)
from grid_services.store.bus_store import append_new
from grid_services.store.failures import telemetry_failures
from grid_services.store.topic_tables import TABLES, TopicTable

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
    WITH closed AS (DELETE FROM grid_services.{table}_realtime WHERE window_start <= $1 RETURNING *)
    INSERT INTO grid_services.{table} SELECT * FROM closed
"""


@dataclass(frozen=True, slots=True)
class _Flow:
    """How a topic becomes windows."""

    width_us: int
    key: tuple[str, ...]
    micro: str
    upsert: str
    close: str
    states: Callable[[Ints, Ints, Ints], Mapping[tuple[int, int], SensorState | MeterState]]

    def read(self, table: TopicTable) -> str:
        """Return the SQL of at most $2 readings from offset $1, their values in micro-units."""
        return (f"SELECT bus_offset, {table.columns()}, {self.micro} AS micro FROM grid_services.{table.name} "  # noqa: S608 - ours
                "WHERE bus_offset >= $1 ORDER BY bus_offset LIMIT $2")


_FLOWS = {
    SENSOR_TOPIC: _Flow(
        SENSOR_WINDOW_US, ("sensor_id", "sensor_type", "provenance"), "round(value * 1e6::float8)::bigint", _SENSORS,
        _CLOSE.format(table="sensor_aggregates"), sensor_windows),
    METER_TOPIC: _Flow(
        METER_WINDOW_US, ("meter_id", "provenance"), "(reading_kwh * 1000000)::bigint", _METERS,
        _CLOSE.format(table="consumption_aggregates"), meter_windows),
}


@dataclass(frozen=True, slots=True)
class Folded:
    """What one step did; `untold` until lineage knows of every window written."""

    read: int
    late: int
    untold: bool


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

    async def fold(self, topic: str, limit: int) -> Folded:
        """Fold at most `limit` messages, close the windows the watermark has passed, move the offset."""
        with telemetry_failures():
            async with self._pool.acquire() as connection, connection.transaction():
                return await _step(connection, topic, limit)

    async def told(self, topic: str) -> None:
        """Remember that lineage knows of every window written so far."""
        with telemetry_failures():
            await self._pool.execute(
                "UPDATE grid_services.consumer_offsets SET told_offset = written_offset WHERE consumer_group = $1 "
                "AND topic = $2", GROUP, topic)


async def _step(connection: asyncpg.Connection, topic: str, limit: int) -> Folded:
    await connection.execute(
        "INSERT INTO grid_services.consumer_offsets (consumer_group, topic) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        GROUP, topic)
    state = await connection.fetchrow(
        "SELECT next_offset, newest_us, written_offset, told_offset FROM grid_services.consumer_offsets "
        "WHERE consumer_group = $1 AND topic = $2 FOR UPDATE", GROUP, topic)
    rows = await connection.fetch(_FLOWS[topic].read(TABLES[topic]), state["next_offset"], limit)
    if not rows:
        return Folded(0, 0, state["told_offset"] < state["written_offset"])
    newest, tardy = await _folded(connection, topic, rows, state["newest_us"])
    following = rows[-1]["bus_offset"] + 1
    written = following if tardy < len(rows) else state["written_offset"]
    await connection.execute(
        "UPDATE grid_services.consumer_offsets SET next_offset = $3, newest_us = $4, written_offset = $5 "
        "WHERE consumer_group = $1 AND topic = $2", GROUP, topic, following, newest, written)
    return Folded(len(rows), tardy, state["told_offset"] < written)


async def _folded(
    connection: asyncpg.Connection, topic: str, rows: Sequence[Mapping[str, Any]], newest_us: int,
) -> tuple[int, int]:
    flow = _FLOWS[topic]
    at_us, micro = (np.array([row[name] for row in rows], np.int64) for name in ("observed_at_us", "micro"))
    tardy, newest = late(at_us, newest_us, flow.width_us)
    kept = ~tardy
    keys, names = numbered(list(map(itemgetter(*flow.key), rows)))
    await append_new(connection, DLQ_TOPIC, dict(
        _letter(topic, row) for row, flag in zip(rows, tardy, strict=True) if flag))
    await connection.executemany(flow.upsert, sorted(
        (*names[key], *_span(start, flow.width_us), *state.figures())
        for (key, start), state in flow.states(keys[kept], at_us[kept], micro[kept]).items()))
    await connection.execute(flow.close, _moment(max(0, newest - LATENESS_US - flow.width_us)))
    return newest, int(tardy.sum())


def _letter(topic: str, row: Mapping[str, Any]) -> tuple[bytes, str]:
    letter = DeadLetter("late", topic, row["event_id"], TABLES[topic].reading(row).message())
    return letter.digest(), letter.text()


def _moment(at_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_us)


def _span(start_us: int, width_us: int) -> tuple[datetime, datetime]:
    return _moment(start_us), _moment(start_us + width_us)
