"""What Polars computes from readings: the figures the data path must arrive at."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from grid_services.domain.readings import MeterReading, SensorReading


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
