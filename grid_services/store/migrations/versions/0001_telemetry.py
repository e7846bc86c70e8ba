"""Telemetry: readings, the bus with its dense offsets, windows, quarantine, and a small simulated registry."""

from alembic import op

revision = "0001"
down_revision = None

_PROVENANCE = "text NOT NULL CHECK (provenance IN ('measured', 'simulated'))"
_TOPICS = ("sensor-data", "meter-readings", "weather-data", "alerts", "notifications", "dlq")
_NAMES = (
    "Arben Krasniqi", "Besa Gashi", "Driton Berisha", "Elira Hoxha", "Faton Morina", "Genta Shala", "Hana Bytyqi",
    "Ilir Kelmendi", "Jeta Rexhepi", "Kushtrim Thaqi", "Lirije Osmani", "Mentor Zeka", "Nora Sadiku", "Orges Lleshi",
    "Petrit Avdiu", "Qendresa Maloku", "Rron Haliti", "Shpresa Kastrati", "Teuta Ademi", "Valon Dervishi",
)
_CITIES = ("Prishtinë", "Prizren", "Pejë", "Gjilan", "Mitrovicë")
_SENSOR_STATE = f"""
    sensor_id text NOT NULL, sensor_type text NOT NULL, provenance {_PROVENANCE},
    window_start timestamptz NOT NULL, window_end timestamptz NOT NULL,
    count bigint NOT NULL CHECK (count > 0), sum_micro numeric NOT NULL, squares_micro numeric NOT NULL,
    min_micro bigint NOT NULL, max_micro bigint NOT NULL,
    PRIMARY KEY (window_start, sensor_id, sensor_type, provenance)
"""

_STATEMENTS = (
    "GRANT USAGE ON SCHEMA grid_services TO gridwarden_app",
    f"""CREATE TABLE grid_services.sensor_data (
        event_id text PRIMARY KEY, sensor_id text NOT NULL, sensor_type text NOT NULL, value double precision NOT NULL,
        unit text NOT NULL, observed_at timestamptz NOT NULL, provenance {_PROVENANCE})""",
    "CREATE INDEX ON grid_services.sensor_data (sensor_id, observed_at)",
    f"""CREATE TABLE grid_services.meter_readings (
        event_id text PRIMARY KEY, meter_id text NOT NULL, customer_id text NOT NULL,
        reading_kwh numeric NOT NULL CHECK (reading_kwh BETWEEN 0 AND 1000000), observed_at timestamptz NOT NULL,
        provenance {_PROVENANCE})""",
    "CREATE INDEX ON grid_services.meter_readings (meter_id, observed_at)",
    "CREATE TABLE grid_services.topics (name text PRIMARY KEY, next_offset bigint NOT NULL DEFAULT 0)",
    "INSERT INTO grid_services.topics (name) VALUES " + ", ".join(  # noqa: S608 - our own names
        f"('smartgrid-{name}')" for name in _TOPICS),
    """CREATE TABLE grid_services.messages (
        topic text NOT NULL, message_offset bigint NOT NULL, recorded_at timestamptz NOT NULL DEFAULT now(),
        payload text NOT NULL, PRIMARY KEY (topic, message_offset))""",
    """CREATE TABLE grid_services.consumer_offsets (
        consumer_group text NOT NULL, topic text NOT NULL, next_offset bigint NOT NULL DEFAULT 0,
        newest_us bigint NOT NULL DEFAULT 0, PRIMARY KEY (consumer_group, topic))""",
    f"CREATE TABLE grid_services.sensor_aggregates_realtime ({_SENSOR_STATE})",
    f"CREATE TABLE grid_services.sensor_aggregates ({_SENSOR_STATE})",
    f"""CREATE TABLE grid_services.consumption_aggregates_realtime (
        meter_id text NOT NULL, provenance {_PROVENANCE},
        window_start timestamptz NOT NULL, window_end timestamptz NOT NULL, count bigint NOT NULL CHECK (count > 0),
        first_us bigint NOT NULL, first_micro bigint NOT NULL, last_us bigint NOT NULL, last_micro bigint NOT NULL,
        PRIMARY KEY (window_start, meter_id, provenance))""",
    """CREATE TABLE grid_services.quarantined_meters (
        meter_id text PRIMARY KEY, reason text NOT NULL, quarantined_by text NOT NULL,
        quarantined_at timestamptz NOT NULL DEFAULT now())""",
    """CREATE TABLE grid_services.customers (
        customer_id text PRIMARY KEY, name text NOT NULL, address text NOT NULL, meter_id text NOT NULL UNIQUE,
        provenance text NOT NULL CHECK (provenance = 'simulated'))""",
    "INSERT INTO grid_services.customers VALUES " + ", ".join(  # noqa: S608 - our own made-up names
        f"('CUS-{n:04d}', '{name}', 'Rruga e Shembullit {n}, {_CITIES[n % 5]}', 'MTR-{n:04d}', 'simulated')"
        for n, name in enumerate(_NAMES, 1)),
    """GRANT SELECT, INSERT, UPDATE, DELETE ON grid_services.sensor_data, grid_services.meter_readings,
        grid_services.topics, grid_services.messages, grid_services.consumer_offsets,
        grid_services.sensor_aggregates_realtime, grid_services.sensor_aggregates,
        grid_services.consumption_aggregates_realtime, grid_services.quarantined_meters TO gridwarden_app""",
    "GRANT SELECT ON grid_services.customers TO gridwarden_app",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
