"""The two telemetry topics are tables: a reading's row is its message, `bus_offset` its place in the topic."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import asyncpg

from grid_services.domain.readings import METER_TOPIC, SENSOR_TOPIC, MeterReading, Reading, SensorReading

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = "(extract(epoch FROM {})::numeric * 1000000)::bigint AS {}"


@dataclass(frozen=True, slots=True)
class TopicTable:
    """Where a topic's readings stand: `fields` are columns and attributes of the same name."""

    name: str
    fields: tuple[str, ...]
    reading: Callable[[Mapping[str, Any]], Reading]

    def columns(self) -> str:
        """Return what `reading` needs, as a SELECT list; times are microseconds."""
        return ", ".join((*self.fields, moment_us("observed_at", "observed_at_us")))

    def read(self) -> str:
        """Return the SQL of at most $2 messages from offset $1."""
        return (f"SELECT bus_offset, {moment_us('recorded_at', 'recorded_at_us')}, {self.columns()} "  # noqa: S608 - ours
                f"FROM grid_services.{self.name} WHERE bus_offset >= $1 ORDER BY bus_offset LIMIT $2")

    async def stored(self, connection: asyncpg.Connection, event_ids: Sequence[str]) -> dict[str, Reading]:
        """Return event_id -> reading of those that are stored already."""
        rows = await connection.fetch(
            f"SELECT {self.columns()} FROM grid_services.{self.name} WHERE event_id = ANY($1::text[])",  # noqa: S608 - ours
            event_ids)
        return {row["event_id"]: self.reading(row) for row in rows}

    async def append(self, connection: asyncpg.Connection, readings: Sequence[Reading], first: int) -> None:
        """Store new readings as the messages from offset `first` on."""
        row, tick = attrgetter(*self.fields), timedelta(microseconds=1)
        await connection.copy_records_to_table(
            self.name, schema_name="grid_services", columns=(*self.fields, "observed_at", "bus_offset"),
            records=[(*row(one), _EPOCH + one.observed_at_us * tick, offset)
                     for offset, one in enumerate(readings, first)])


def moment_us(column: str, name: str) -> str:
    """Return the SQL of a timestamp in whole microseconds since the epoch."""
    return _INSTANT.format(column, name)


def _sensor(row: Mapping[str, Any]) -> Reading:
    return SensorReading(row["event_id"], row["sensor_id"], row["sensor_type"], row["value"], row["unit"],
                         row["observed_at_us"], row["provenance"])


def _meter(row: Mapping[str, Any]) -> Reading:
    return MeterReading(row["event_id"], row["meter_id"], row["customer_id"], row["reading_kwh"], "kWh",
                        row["observed_at_us"], row["provenance"])


TABLES: Mapping[str, TopicTable] = {
    SENSOR_TOPIC: TopicTable(
        "sensor_data", ("event_id", "sensor_id", "sensor_type", "value", "unit", "provenance"), _sensor),
    METER_TOPIC: TopicTable(
        "meter_readings", ("event_id", "meter_id", "customer_id", "reading_kwh", "provenance"), _meter),
}
