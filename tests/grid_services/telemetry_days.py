"""Hours of made-up telemetry up to the time at which the tests' clock stands."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

import numpy as np

from grid_services.domain.readings import MeterReading, SensorReading

END_US = 1_795_000_000_000_000
EARLY, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
SPAN_US, WATERMARK_US = 6 * 3_600_000_000, 600_000_000
R = TypeVar("R", SensorReading, MeterReading)


def _instants(count: int) -> list[int]:
    chance = np.random.default_rng(count)
    return [int(at) for at in np.sort(END_US - chance.integers(0, SPAN_US, count))]


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
