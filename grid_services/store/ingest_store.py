"""Readings and their bus messages, committed together; the event_id is the idempotency key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson

from grid_services.domain.readings import DLQ_TOPIC, METER_TOPIC, SENSOR_TOPIC, Reading
from grid_services.store.bus_store import advance, append, locked_offset
from grid_services.store.failures import telemetry_failures

ACCEPTED, DUPLICATE, CONFLICT, QUARANTINED = "accepted", "duplicate", "conflict", "quarantined"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    SENSOR_TOPIC: ("sensor_data", (
        ("event_id", "text"), ("sensor_id", "text"), ("sensor_type", "text"), ("value", "float8"), ("unit", "text"),
        ("observed_at", "timestamptz"), ("provenance", "text"))),
    METER_TOPIC: ("meter_readings", (
        ("event_id", "text"), ("meter_id", "text"), ("customer_id", "text"), ("reading_kwh", "numeric"),
        ("observed_at", "timestamptz"), ("provenance", "text"))),
}


def _statement(topic: str) -> str:
    """Return the SQL that inserts new rows with their messages and returns the others: $1 topic, $2 first offset."""
    table, columns = _COLUMNS[topic]
    names = ", ".join(name for name, _ in columns)
    arrays = ", ".join(f"${place}::{kind}[]" for place, (_, kind) in enumerate((*columns, ("payload", "text")), 3))
    old, new = (", ".join(f"{alias}.{name}" for name, _ in columns) for alias in "ts")
    return f"""
        WITH staged AS (SELECT * FROM unnest({arrays}) WITH ORDINALITY AS s({names}, payload, place)),
        fresh AS (INSERT INTO grid_services.{table} ({names}) SELECT {names} FROM staged
                  ON CONFLICT (event_id) DO NOTHING RETURNING event_id),
        appended AS (INSERT INTO grid_services.messages (topic, message_offset, payload)
                     SELECT $1, $2 + row_number() OVER (ORDER BY s.place) - 1, s.payload
                     FROM staged s JOIN fresh USING (event_id))
        SELECT s.place - 1 AS place, ({old}) IS NOT DISTINCT FROM ({new}) AS same
        FROM staged s JOIN grid_services.{table} t USING (event_id)
    """  # noqa: S608 - our own names


_STATEMENTS = {topic: _statement(topic) for topic in _COLUMNS}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a reading; `reason` of a quarantined one is the quarantine's."""

    state: str
    reason: str = ""


class IngestStore:
    """Writes readings; keeps the list of quarantined meters."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def write(self, topic: str, readings: Sequence[Reading], dead: Sequence[str]) -> list[Outcome]:
        """Store readings of one topic and dead letters, all or nothing; return an outcome a reading."""
        with telemetry_failures():
            async with self._pool.acquire() as connection, connection.transaction():
                outcomes = await _write(connection, topic, readings) if readings else []
                await append(connection, DLQ_TOPIC, dead)
                return outcomes

    async def quarantine(self, meter_id: str, reason: str, by: str) -> bool:
        """Return whether the meter was not quarantined before."""
        with telemetry_failures():
            return await self._pool.fetchval(
                "INSERT INTO grid_services.quarantined_meters (meter_id, reason, quarantined_by) VALUES ($1, $2, $3) "
                "ON CONFLICT DO NOTHING RETURNING true", meter_id, reason, by) is True

    async def release(self, meter_id: str) -> bool:
        """Return whether the meter was quarantined."""
        with telemetry_failures():
            return await self._pool.fetchval(
                "DELETE FROM grid_services.quarantined_meters WHERE meter_id = $1 RETURNING true", meter_id) is True

    async def quarantined(self) -> dict[str, str]:
        """Return meter -> reason."""
        with telemetry_failures():
            rows = await self._pool.fetch("SELECT meter_id, reason FROM grid_services.quarantined_meters")
        return {row["meter_id"]: row["reason"] for row in rows}


async def _write(connection: asyncpg.Connection, topic: str, readings: Sequence[Reading]) -> list[Outcome]:
    first = await locked_offset(connection, topic)
    refused = await _refused(connection, topic, readings)
    outcomes = [Outcome(ACCEPTED)] * len(readings)
    earlier: dict[str, int] = {}
    staged: list[int] = []
    repeated: list[tuple[int, int]] = []
    for place, reading in enumerate(readings):
        if reading.device_id in refused:
            outcomes[place] = Outcome(QUARANTINED, refused[reading.device_id])
        elif reading.event_id in earlier:
            repeated.append((place, earlier[reading.event_id]))
        else:
            earlier[reading.event_id] = place
            staged.append(place)
    if staged:
        known = await connection.fetch(_STATEMENTS[topic], topic, first, *_arrays(topic, [readings[p] for p in staged]))
        for row in known:
            outcomes[staged[row["place"]]] = Outcome(DUPLICATE if row["same"] else CONFLICT)
        if len(known) < len(staged):
            await advance(connection, topic, len(staged) - len(known))
    for place, original in repeated:
        agrees = readings[place] == readings[original] and outcomes[original].state != CONFLICT
        outcomes[place] = Outcome(DUPLICATE if agrees else await _against(connection, topic, readings[place]))
    return outcomes


async def _against(connection: asyncpg.Connection, topic: str, reading: Reading) -> str:
    """Compare one reading with the stored one of its event_id, which exists by now."""
    rows = await connection.fetch(_STATEMENTS[topic], topic, 0, *_arrays(topic, [reading]))
    return DUPLICATE if rows[0]["same"] else CONFLICT


async def _refused(connection: asyncpg.Connection, topic: str, readings: Sequence[Reading]) -> dict[str, str]:
    if topic != METER_TOPIC:
        return {}
    rows = await connection.fetch(
        "SELECT meter_id, reason FROM grid_services.quarantined_meters WHERE meter_id = ANY($1)",
        list({reading.device_id for reading in readings}))
    return {row["meter_id"]: row["reason"] for row in rows}


def _arrays(topic: str, readings: Sequence[Reading]) -> list[list[Any]]:
    fields = [name for name, _ in _COLUMNS[topic][1]]
    columns = [[_EPOCH + timedelta(microseconds=one.observed_at_us) for one in readings] if name == "observed_at"
               else [getattr(one, name) for one in readings] for name in fields]
    return [*columns, [orjson.dumps(one.message()).decode() for one in readings]]


