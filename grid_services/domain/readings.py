"""Readings: what a device may say. Device time is kept; provenance is never guessed."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from shared_kernel.clock import to_iso

SENSOR_TOPIC, METER_TOPIC, DLQ_TOPIC = "smartgrid-sensor-data", "smartgrid-meter-readings", "smartgrid-dlq"
TOPICS = (SENSOR_TOPIC, METER_TOPIC, "smartgrid-weather-data", "smartgrid-alerts", "smartgrid-notifications", DLQ_TOPIC)
GROUP = "data-processing-service-group"
MICRO = 1_000_000
FUTURE_US = 300 * MICRO
"""How far a device's clock may run ahead of ours."""
MAX_KWH = Decimal(1_000_000)
SENSOR_TYPES: Mapping[str, tuple[str, float, float]] = {
    "voltage": ("V", 0, 10_000), "current": ("A", 0, 10_000), "power": ("kW", 0, 10_000),
    "temperature": ("C", -60, 150), "frequency": ("Hz", 0, 10_000),
}
"""Type -> (unit, least, greatest)."""
_ID = re.compile(r"[A-Za-z0-9._:\-]{1,64}\Z")
EARLIEST_US = 946_684_800 * MICRO
"""2000-01-01: no device of ours measured before."""


@dataclass(frozen=True, slots=True)
class SensorReading:
    """One value of one sensor."""

    event_id: str
    sensor_id: str
    sensor_type: str
    value: float
    unit: str
    observed_at_us: int
    provenance: str

    topic = SENSOR_TOPIC

    @property
    def device_id(self) -> str:
        """Who measured."""
        return self.sensor_id

    def flaw(self, now_us: int) -> str | None:
        """Return what breaks a rule, or None."""
        if self.sensor_type not in SENSOR_TYPES:
            return f"type must be one of {', '.join(SENSOR_TYPES)}"
        unit, least, greatest = SENSOR_TYPES[self.sensor_type]
        if self.unit != unit:
            return f"unit of {self.sensor_type} must be {unit}"
        if not math.isfinite(self.value) or not least <= self.value <= greatest:
            return f"value of {self.sensor_type} must be from {least} to {greatest}"
        return _common_flaw((self.event_id, self.sensor_id), self.observed_at_us, now_us)

    def message(self) -> dict[str, Any]:
        """Return the bus message; the value travels as exact text."""
        return {"kind": "sensor_reading", "event_id": self.event_id, "sensor_id": self.sensor_id,
                "sensor_type": self.sensor_type, "value": repr(self.value), "unit": self.unit,
                "observed_at": to_iso(self.observed_at_us), "provenance": self.provenance}


@dataclass(frozen=True, slots=True)
class MeterReading:
    """One register reading of one meter, with at most six decimals."""

    event_id: str
    meter_id: str
    customer_id: str
    reading_kwh: Decimal
    unit: str
    observed_at_us: int
    provenance: str

    topic = METER_TOPIC

    @property
    def device_id(self) -> str:
        """Who measured."""
        return self.meter_id

    def flaw(self, now_us: int) -> str | None:
        """Return what breaks a rule, or None."""
        if self.unit != "kWh":
            return "unit must be kWh"
        if not self.reading_kwh.is_finite() or not 0 <= self.reading_kwh <= MAX_KWH:
            return f"reading_kwh must be from 0 to {MAX_KWH}"
        if (self.reading_kwh * MICRO) % 1:
            return "reading_kwh must have at most six decimals"
        return _common_flaw((self.event_id, self.meter_id, self.customer_id), self.observed_at_us, now_us)

    def message(self) -> dict[str, Any]:
        """Return the bus message; the register travels as exact text."""
        return {"kind": "meter_reading", "event_id": self.event_id, "meter_id": self.meter_id,
                "customer_id": self.customer_id, "reading_kwh": f"{self.reading_kwh:f}", "unit": self.unit,
                "observed_at": to_iso(self.observed_at_us), "provenance": self.provenance}


Reading = SensorReading | MeterReading


def is_identifier(text: str) -> bool:
    """Tell whether `text` can name an event, a device or a customer."""
    return _ID.match(text) is not None


def _common_flaw(ids: tuple[str, ...], observed_at_us: int, now_us: int) -> str | None:
    if not all(_ID.match(one) for one in ids):
        return "identifiers must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -"
    if observed_at_us > now_us + FUTURE_US:
        return "observed_at is more than 5 minutes ahead: set the device's clock"
    if observed_at_us < EARLIEST_US:
        return "observed_at is before 2000: set the device's clock"
    return None
