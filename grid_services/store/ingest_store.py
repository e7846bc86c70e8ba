"""Readings, which are their own bus messages; the event_id is the idempotency key.

All writers of a topic take the topic's row first, so whoever holds it sees every reading stored before, and what it
then copies in collides with nobody: no conflict clause, no second copy, offsets without a gap.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from grid_services.domain.readings import DLQ_TOPIC, METER_TOPIC, Reading
from grid_services.store.bus_store import advance, append_new, locked_offset
from grid_services.store.failures import telemetry_failures
from grid_services.store.topic_tables import TABLES

ACCEPTED, DUPLICATE, CONFLICT, QUARANTINED = "accepted", "duplicate", "conflict", "quarantined"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a reading; `reason` of a quarantined one is the quarantine's."""

    state: str
    reason: str = ""


_ACCEPTED, _DUPLICATE, _CONFLICT = Outcome(ACCEPTED), Outcome(DUPLICATE), Outcome(CONFLICT)


class IngestStore:
    """Writes readings; keeps the list of quarantined meters."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def write(self, topic: str, readings: Sequence[Reading], dead: Mapping[bytes, str]) -> list[Outcome]:
        """Store readings of one topic and dead letters by digest, all or nothing; return an outcome a reading."""
        with telemetry_failures():
            async with self._pool.acquire() as connection, connection.transaction():
                outcomes = await _write(connection, topic, readings) if readings else []
                await append_new(connection, DLQ_TOPIC, dead)
                return outcomes

    @asynccontextmanager
    async def quarantining(self, meter_id: str, reason: str, by: str) -> AsyncIterator[bool]:
        """Yield whether the meter was not quarantined before; what fails inside undoes it.

        A second caller waits for the first. No reading of the meter commits after this has.
        """
        with telemetry_failures():
            async with self._pool.acquire() as connection, connection.transaction():
                await locked_offset(connection, METER_TOPIC)
                yield await connection.fetchval(
                    "INSERT INTO grid_services.quarantined_meters (meter_id, reason, quarantined_by) "
                    "VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true", meter_id, reason, by) is True

    @asynccontextmanager
    async def releasing(self, meter_id: str) -> AsyncIterator[bool]:
        """Yield whether the meter was quarantined; what fails inside undoes the release."""
        with telemetry_failures():
            async with self._pool.acquire() as connection, connection.transaction():
                yield await connection.fetchval(
                    "DELETE FROM grid_services.quarantined_meters WHERE meter_id = $1 RETURNING true", meter_id,
                ) is True


async def _write(connection: asyncpg.Connection, topic: str, readings: Sequence[Reading]) -> list[Outcome]:
    first = await locked_offset(connection, topic)
    refused = await _refused(connection, topic, readings)
    known = await TABLES[topic].stored(connection, [one.event_id for one in readings])
    fresh: list[Reading] = []
    outcomes: list[Outcome] = []
    for reading in readings:
        if refused and reading.device_id in refused:
            outcomes.append(Outcome(QUARANTINED, refused[reading.device_id]))
            continue
        earlier = known.get(reading.event_id)
        if earlier is None:
            known[reading.event_id] = reading
            fresh.append(reading)
            outcomes.append(_ACCEPTED)
        else:
            outcomes.append(_DUPLICATE if earlier == reading else _CONFLICT)
    if fresh:
        await TABLES[topic].append(connection, fresh, first)
        await advance(connection, topic, len(fresh))
    return outcomes


async def _refused(connection: asyncpg.Connection, topic: str, readings: Sequence[Reading]) -> dict[str, str]:
    if topic != METER_TOPIC:
        return {}
    rows = await connection.fetch(
        "SELECT meter_id, reason FROM grid_services.quarantined_meters WHERE meter_id = ANY($1)",
        list({reading.device_id for reading in readings}))
    return {row["meter_id"]: row["reason"] for row in rows}
