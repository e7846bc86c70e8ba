"""The system's load: the measured archive, the operator's forecast, our forecasts and their back-test."""

from alembic import op

revision = "0002"
down_revision = "0001"

_ARCHIVE = """
CREATE TABLE grid_services.{name} (
    hour timestamptz PRIMARY KEY CHECK (date_trunc('hour', hour, 'UTC') = hour),
    mw double precision,
    quality text NOT NULL CHECK (quality IN ('ok', 'zero', 'spike', 'missing')),
    provenance text NOT NULL DEFAULT 'measured' CHECK (provenance IN ('measured', 'simulated')),
    CHECK ((quality = 'missing') = (mw IS NULL))
)
"""

_STATEMENTS = (
    _ARCHIVE.format(name="load_actual"),
    _ARCHIVE.format(name="load_forecast"),
    """
    CREATE TABLE grid_services.load_source (
        name text PRIMARY KEY CHECK (name IN ('load_actual', 'load_forecast')),
        sha256 text NOT NULL,
        hours bigint NOT NULL,
        loaded_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE grid_services.forecast_run (
        run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        recipe text NOT NULL,
        source_sha256 text NOT NULL,
        data_until timestamptz NOT NULL,
        trained_at timestamptz NOT NULL DEFAULT now(),
        cpu_ms bigint NOT NULL,
        UNIQUE (recipe, source_sha256)
    )
    """,
    """
    CREATE TABLE grid_services.forecast_model (
        run bigint NOT NULL REFERENCES grid_services.forecast_run ON DELETE CASCADE,
        variant text NOT NULL CHECK (variant IN ('without_operator', 'with_operator')),
        quantile smallint NOT NULL CHECK (quantile IN (10, 50, 90)),
        sha256 text NOT NULL,
        model text NOT NULL,
        PRIMARY KEY (run, variant, quantile),
        CHECK (encode(sha256(convert_to(model, 'UTF8')), 'hex') = sha256)
    )
    """,
    """
    CREATE TABLE grid_services.forecast_hour (
        run bigint NOT NULL REFERENCES grid_services.forecast_run ON DELETE CASCADE,
        kind text NOT NULL CHECK (kind IN ('backtest', 'day_ahead')),
        variant text NOT NULL CHECK (variant IN ('without_operator', 'with_operator')),
        hour timestamptz NOT NULL,
        issued_at timestamptz NOT NULL CHECK (issued_at <= hour - interval '23 hours'),
        p10 double precision NOT NULL,
        p50 double precision NOT NULL CHECK (p50 >= p10),
        p90 double precision NOT NULL CHECK (p90 >= p50),
        PRIMARY KEY (run, variant, kind, hour)
    )
    """,
    """
    CREATE TABLE grid_services.forecast_score (
        run bigint NOT NULL REFERENCES grid_services.forecast_run ON DELETE CASCADE,
        period text NOT NULL,
        hours bigint NOT NULL,
        operator double precision NOT NULL,
        naive_week double precision NOT NULL,
        without_operator double precision NOT NULL,
        with_operator double precision NOT NULL,
        coverage_without_operator double precision NOT NULL,
        coverage_with_operator double precision NOT NULL,
        PRIMARY KEY (run, period)
    )
    """,
    "GRANT USAGE ON SCHEMA grid_services TO gridwarden_app",
    """
    GRANT SELECT, INSERT, UPDATE, DELETE ON
        grid_services.load_actual, grid_services.load_forecast, grid_services.load_source,
        grid_services.forecast_run, grid_services.forecast_model, grid_services.forecast_hour,
        grid_services.forecast_score
    TO gridwarden_app
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
