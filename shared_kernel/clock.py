"""Time as a dependency: microseconds since the Unix epoch, UTC."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """Tells the time; tests hand in one that stands still."""

    def now_us(self) -> int:
        """Return microseconds since 1970-01-01T00:00:00Z."""


class SystemClock:
    """The machine's wall clock."""

    def now_us(self) -> int:
        """Return the wall clock in microseconds."""
        return time.time_ns() // 1000


def to_iso(at_us: int) -> str:
    """Return RFC 3339 UTC text with six decimals: `2026-11-21T07:00:00.000000Z`."""
    seconds, micros = divmod(at_us, 1_000_000)
    return f"{_second(seconds)}.{micros:06d}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    """Return the text up to the second; thousands of events share it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def from_iso(text: str) -> int:
    """Return microseconds since the epoch; a text without an offset is refused with ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        message = f"{text!r} names no time zone: append Z or an offset"
        raise ValueError(message)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
