"""Hours of made-up telemetry before the frozen clock's time, and what Polars says of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import numpy as np
import polars as pl

from grid_services.domain.readings import MeterReading, SensorReading
from tests.conftest import START_US

EARLY, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
SPAN_US, WATERMARK_US = 6 * 3_600_000_000, 600_000_000
R = TypeVar("R", SensorReading, MeterReading)


def _instants(count: int) -> list[int]:
    chance = np.random.default_rng(count)
    return [int(at) for at in np.sort(START_US - chance.integers(0, SPAN_US, count))]


def sensor_readings(count: int) -> list[SensorReading]:
    """Return readings of eight sensors in order of time."""
    chance = np.random.default_rng(3)
    return [SensorReading(f"s-{n}", f"S-{n % 8}", "voltage", float(round(chance.normal(230, 4), 6)), "V", at,
                          "simulated") for n, at in enumerate(_instants(count))]


def meter_readings(count: int) -> list[MeterReading]:
    """Return rising registers of five meters in order of time."""
    return [MeterReading(f"m-{n}", f"M-{n % 5}", "CUS-0001", Decimal(n * n) / 1000, "kWh", at, "simulated")
            for n, at in enumerate(_instants(count))]


def shuffled_within_the_watermark(readings: Sequence[R]) -> list[R]:
    """Return them as if each had travelled up to ten minutes, some twice."""
    chance = np.random.default_rng(5)
    twice = [*readings, *readings[::7]]
    arrival = [one.observed_at_us + int(chance.integers(0, WATERMARK_US)) for one in twice]
    return [twice[place] for place in np.argsort(arrival, kind="stable")]


def sensor_figures(readings: Sequence[SensorReading]) -> list[dict[str, Any]]:
    """Return five-minute windows by Polars."""
    value = pl.col("value")
    return _frame(readings, {"sensor_id": [one.sensor_id for one in readings],
                             "value": [one.value for one in readings]}).group_by(
        "sensor_id", window_start=pl.col("at").dt.truncate("5m")).agg(
        pl.len().alias("count"), value.mean().alias("avg"), value.min().alias("min"), value.max().alias("max"),
        value.std().alias("stddev")).to_dicts()


def meter_figures(readings: Sequence[MeterReading]) -> list[dict[str, Any]]:
    """Return hourly consumption by Polars, as exact text; None with fewer than two readings."""
    rows = _frame(readings, {"meter_id": [one.meter_id for one in readings],
                             "wh": [int(one.reading_kwh * 1000) for one in readings]}).sort("at").group_by(
        "meter_id", window_start=pl.col("at").dt.truncate("1h")).agg(
        pl.len().alias("count"), (pl.col("wh").last() - pl.col("wh").first()).alias("wh")).to_dicts()
    return [row | {"total_kwh": f"{(Decimal(row['wh']) / 1000).normalize():f}" if row["count"] > 1 else None}
            for row in rows]


def _frame(readings: Sequence[SensorReading | MeterReading], columns: dict[str, list[Any]]) -> pl.DataFrame:
    at = pl.Series("at", [one.observed_at_us for one in readings], pl.Int64).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame(columns).with_columns(at)
