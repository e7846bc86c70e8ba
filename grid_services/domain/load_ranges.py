"""A range of time a caller may ask for: half open, at most 400 days, written as RFC 3339 or as a local date."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from shared_kernel.errors import InvalidInputError

ZONE = ZoneInfo("Europe/Sarajevo")
"""The zone of the control area: its days and months are local."""
LONGEST = timedelta(days=400)
_YEARS = range(1970, 2200)
_DATE = len("2025-01-01")


class UnreadableTimeError(InvalidInputError):
    """Neither a date nor an RFC 3339 time with an offset, or of a year no archive has."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(
            f"{name}={text[:40]!r} is not a time: write a date (2025-01-31) or RFC 3339 with an offset "
            f"(2025-01-31T00:00:00Z; a + is written %2B in a URL), of a year from {_YEARS[0]} to {_YEARS[-1]}",
        )


class WrongRangeError(InvalidInputError):
    """The range is empty, backwards or too long."""

    def __init__(self) -> None:
        super().__init__(f"'from' must lie before 'to' and at most {LONGEST.days} days apart: ask for a shorter range")


@dataclass(frozen=True, slots=True)
class Range:
    """[start, end); raises WrongRangeError when it cannot be answered."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse what is empty or too long."""
        if not timedelta(0) < self.end - self.start <= LONGEST:
            raise WrongRangeError


def moment(name: str, text: str) -> datetime:
    """Return the instant in UTC; a date is local midnight in the control area."""
    try:
        found = _local_midnight(text) if len(text) == _DATE else datetime.fromisoformat(text)
    except ValueError as cause:
        raise UnreadableTimeError(name, text) from cause
    if found.tzinfo is None or found.year not in _YEARS:
        raise UnreadableTimeError(name, text)
    return found.astimezone(UTC)


def _local_midnight(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), time(), ZONE)
