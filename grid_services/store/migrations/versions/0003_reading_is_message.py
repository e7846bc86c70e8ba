"""A reading is its own bus message; windows are open or final; a dead letter has a digest, lineage a place.

Two tables that say the same are one table too many: a reading's `bus_offset` makes its row the message, so that row and
message cannot differ and are written once. Byte order ("C") makes keys cheap to compare and their order the same on
every server.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

_TABLES = {"sensor_data": ("sensor-data", "sensor_id"), "meter_readings": ("meter-readings", "meter_id")}


def _reading_is_message(table: str, topic: str, device: str) -> tuple[str, ...]:
    return (
        f"""ALTER TABLE grid_services.{table} ADD COLUMN bus_offset bigint,
            ADD COLUMN recorded_at timestamptz NOT NULL DEFAULT now(),
            ALTER COLUMN event_id TYPE text COLLATE "C", ALTER COLUMN {device} TYPE text COLLATE "C" """,
        f"""UPDATE grid_services.{table} r SET bus_offset = m.message_offset, recorded_at = m.recorded_at
            FROM grid_services.messages m
            WHERE m.topic = 'smartgrid-{topic}' AND m.payload::jsonb ->> 'event_id' = r.event_id""",  # noqa: S608 - ours
        f"ALTER TABLE grid_services.{table} ALTER COLUMN bus_offset SET NOT NULL, ADD UNIQUE (bus_offset)",
        f"DELETE FROM grid_services.messages WHERE topic = 'smartgrid-{topic}'",  # noqa: S608 - our own names
    )


_STATEMENTS = (
    *(statement for table, names in _TABLES.items() for statement in _reading_is_message(table, *names)),
    "DROP INDEX grid_services.sensor_data_sensor_id_observed_at_idx",
    "CREATE INDEX ON grid_services.sensor_data (sensor_id, sensor_type, provenance, observed_at)",
    "ALTER TABLE grid_services.messages ADD COLUMN digest bytea, ADD UNIQUE (topic, digest)",
    """ALTER TABLE grid_services.consumer_offsets ADD COLUMN written_offset bigint NOT NULL DEFAULT 0,
        ADD COLUMN told_offset bigint NOT NULL DEFAULT 0""",
    """CREATE TABLE grid_services.consumption_aggregates
        (LIKE grid_services.consumption_aggregates_realtime INCLUDING ALL)""",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON grid_services.consumption_aggregates TO gridwarden_app",
    """DELETE FROM grid_services.sensor_aggregates_realtime w USING grid_services.sensor_aggregates f
        WHERE (w.window_start, w.sensor_id, w.sensor_type, w.provenance)
            = (f.window_start, f.sensor_id, f.sensor_type, f.provenance)""",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
