"""When an event happened, and how long stragglers are waited for.

    watermark(source) = latest event time seen - lateness(source)

An event before its source's watermark, as it stood when the batch began, is *late*: rules over single events still
judge it, correlations do not, and it is counted. A time further ahead of its recording than the lateness is a wrong
clock: the event then counts at the moment it was recorded, so that one broken device cannot make all others late.
"""

from dataclasses import dataclass
from typing import Any

from shared_kernel.clock import from_iso
from shared_kernel.events import SealedEvent

_MAX_REMEMBERED_SECONDS = 4096
_LENGTH = len("2026-11-21T07:00:00.000000Z")
_BUS = "bus:"


@dataclass(frozen=True, slots=True)
class Lateness:
    """How long a source is waited for: the ledger's events are stamped here, the bus carries other people's clocks."""

    ledger_us: int = 60_000_000
    bus_us: int = 600_000_000

    def of(self, source: str) -> int:
        """Return the lateness of a source in microseconds."""
        return self.bus_us if source.startswith(_BUS) else self.ledger_us


class EventTimes:
    """Reads `@timestamp`, remembering whole seconds: events come many to a second."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds: dict[str, int] = {}

    def of(self, event: dict[str, Any], sealed: SealedEvent, lateness_us: int) -> int:
        """Return the event's time in microseconds; the recording's when it has none that can be believed."""
        text = event.get("@timestamp")
        if text.__class__ is not str:
            return sealed.recorded_at_us
        try:
            if len(text) == _LENGTH and text[26] == "Z" and text[19] == ".":
                second = self._seconds.get(text[:19])
                at_us = (self._learn(text[:19]) if second is None else second) + int(text[20:26])
            else:
                at_us = from_iso(text)
        except ValueError:
            return sealed.recorded_at_us
        return sealed.recorded_at_us if at_us > sealed.recorded_at_us + lateness_us else at_us

    def _learn(self, second: str) -> int:
        if len(self._seconds) >= _MAX_REMEMBERED_SECONDS:
            self._seconds.clear()
        at_us = self._seconds[second] = from_iso(f"{second}Z")
        return at_us
