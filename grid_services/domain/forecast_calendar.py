"""Days of the control area: a local day is a row of 24 local hours, and a forecast for it is issued a day ahead.

    issued(D) = local midnight with which day D-1 begins

A forecast for day D may therefore use measurements up to the last hour of day D-2 and nothing later. Counting in
local days keeps that promise across the changes of the clock: the 25-hour day's second 02:00 shares its row's place
with the first, the 23-hour day leaves one place empty.
"""

from datetime import UTC, date, datetime, time, timedelta

from grid_services.domain.load_ranges import ZONE

ONE_DAY = timedelta(days=1)
HOLIDAYS = frozenset({
    (1, 1), (1, 2),  # New Year
    (1, 6), (1, 7),  # Orthodox Christmas
    (1, 9), (1, 14),  # kept in Republika Srpska
    (3, 1),  # Independence Day
    (5, 1), (5, 2),  # Labour Day
    (5, 9),  # Victory Day
    (11, 21), (11, 25),  # Dayton agreement, Statehood Day
    (12, 25),  # Catholic Christmas
})
"""(month, day) of holidays with a fixed date, kept by at least one entity; the movable feasts are not listed."""


def local(second: int) -> datetime:
    """Return the local time of a Unix second."""
    return datetime.fromtimestamp(second, ZONE)


def issued(day: date) -> datetime:
    """Return when the forecast for `day` is issued, in UTC."""
    return midnight(day - ONE_DAY)


def midnight(day: date) -> datetime:
    """Return the instant at which `day` begins in the control area, in UTC."""
    return datetime.combine(day, time(), ZONE).astimezone(UTC)


def is_holiday(day: date) -> bool:
    """Tell whether `day` has a holiday's fixed date."""
    return (day.month, day.day) in HOLIDAYS
