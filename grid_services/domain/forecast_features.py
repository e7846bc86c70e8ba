"""What the forecast sees: calendar, earlier days, and for one variant the operator's forecast.

All arrays are days x 24 local hours; row D of every feature holds only what was known at the issue time of day D:
measurements of day D-2 and before (`_FIRST_LAG` = 2), calendar facts, and the operator's forecast for day D.
Imported by the training process only, because it needs numpy.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from grid_services.domain.forecast_calendar import ONE_DAY, is_holiday, local
from grid_services.domain.forecast_recipe import Variant
from grid_services.domain.load_hours import Series

Grid = NDArray[np.float64]
HOURS = 24
_FIRST_LAG = 2
_LAGS = (2, 3, 4, 5, 6, 7, 8, 14, 21, 28)
_WEEK = range(_FIRST_LAG, _FIRST_LAG + 7)
_MONTH = range(_FIRST_LAG, _FIRST_LAG + 28)
_SAME_WEEKDAY = (7, 14, 21, 28)
_NEIGHBOURS = (-3, -2, -1, 1, 2, 3)


@dataclass(frozen=True, slots=True)
class Days:
    """A run of local days: MW a local hour, NaN where no good figure is."""

    first: date
    actual: Grid
    operator: Grid

    def index(self, day: date) -> int:
        """Return the row of `day`."""
        return (day - self.first).days

    def dates(self) -> list[date]:
        """Return the date of every row."""
        return [self.first + timedelta(days=row) for row in range(len(self.actual))]


@dataclass(frozen=True, slots=True)
class Features:
    """The matrix (days * 24, features) and the level each forecast is a departure from."""

    matrix: Grid
    level: Grid


def days_of(actual: Series, operator: Series) -> Days:
    """Lay two series out as local days, from the first measured day to the day after the last measured one."""
    first = local(actual.first).date()
    rows = (next_day(actual) - first).days + 1
    return Days(first, _laid_out(actual, first, rows), _laid_out(operator, first, rows))


def next_day(actual: Series) -> date:
    """Return the day the next forecast is for: its issue time is the last local midnight all hours before are in."""
    return local(actual.end).date() + ONE_DAY


def features(days: Days, variant: Variant) -> Features:
    """Return what a model of `variant` sees of every hour of `days`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a median over no value at all is NaN, and meant so
        level = _level(days.actual)
        columns = [*_calendar(days), *_history(days.actual, level)]
        if variant is Variant.WITH_OPERATOR:
            columns += _operator(days)
    return Features(np.stack([column.ravel() for column in columns], axis=1), level.ravel())


def _laid_out(series: Series, first: date, rows: int) -> Grid:
    grid = np.full((rows, HOURS), np.nan)
    for second, mw in reversed(list(series.hours())):  # of two hours with one local name the earlier one stays
        at = local(second)
        row = (at.date() - first).days
        if 0 <= row < rows:
            grid[row, at.hour] = np.nan if mw is None else mw
    return grid


def _calendar(days: Days) -> list[Grid]:
    dates = days.dates()
    facts = (
        np.array([day.weekday() for day in dates], dtype=float),
        np.array([day.timetuple().tm_yday for day in dates], dtype=float),
        *(np.array([is_holiday(day + step * ONE_DAY) for day in dates], dtype=float) for step in (-1, 0, 1)),
    )
    return [np.tile(np.arange(float(HOURS)), (len(dates), 1)), *(_all_day(fact) for fact in facts)]


def _history(actual: Grid, level: Grid) -> list[Grid]:
    daily = np.nanmean(actual, axis=1, keepdims=True)
    return [
        *(_before(actual, lag) for lag in _LAGS),
        level, _median(actual, _MONTH), _median(actual, _SAME_WEEKDAY),
        np.nanstd(_stack(actual, _WEEK), axis=0),
        *(_all_day(_before(daily, lag)[:, 0]) for lag in (2, 7)),
        *(_all_day(np.nanmean(_stack(daily, lags), axis=0)[:, 0]) for lags in (_WEEK, _MONTH)),
        *(_all_day(pick(_before(actual, _FIRST_LAG), axis=1)) for pick in (np.nanmin, np.nanmax)),
        *(np.roll(level, shift, axis=1) for shift in _NEIGHBOURS),
    ]


def _level(actual: Grid) -> Grid:
    """Return the last week's median of each local hour; the last month's where the week has no good hour."""
    week = _median(actual, _WEEK)
    return np.where(np.isnan(week), _median(actual, _MONTH), week)


def _operator(days: Days) -> list[Grid]:
    said, error = days.operator, days.actual - days.operator
    return [
        said, _all_day(np.nanmean(said, axis=1)), _all_day(np.nanmin(said, axis=1)),
        said - _before(said, 2), said - _before(said, 7), said - _median(said, _WEEK),
        _before(error, 2), _before(error, 7), _median(error, _WEEK), _median(error, _MONTH),
    ]


def _before(grid: Grid, lag: int) -> Grid:
    """Return what the grid said `lag` days earlier; NaN where that is before its beginning."""
    moved = np.full_like(grid, np.nan)
    moved[lag:] = grid[:-lag]
    return moved


def _stack(grid: Grid, lags: Sequence[int]) -> NDArray[np.float64]:
    return np.stack([_before(grid, lag) for lag in lags])


def _median(grid: Grid, lags: Sequence[int]) -> Grid:
    return np.asarray(np.nanmedian(_stack(grid, lags), axis=0))


def _all_day(fact: NDArray[np.float64]) -> Grid:
    return np.repeat(fact[:, None], HOURS, axis=1)
