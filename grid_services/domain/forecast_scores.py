"""How good a forecast was: mean absolute percentage error, on the same hours for everybody.

    MAPE = 100 / n * sum( |forecast - actual| / actual )

An hour counts only when it was measured in good order and *every* competitor has a figure for it: ours, the
operator's, and the naive week (the load 168 hours before).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from grid_services.domain.forecast_calendar import local
from grid_services.domain.forecast_recipe import Variant
from grid_services.domain.load_hours import HOUR_S, Series

WEEK_S = 168 * HOUR_S
TOTAL = "total"


@dataclass(frozen=True, slots=True)
class ForecastHour:
    """One hour's forecast in MW; times are Unix seconds."""

    kind: str
    variant: Variant
    hour: int
    issued_at: int
    p10: float
    p50: float
    p90: float


@dataclass(frozen=True, slots=True)
class Score:
    """Errors in percent over the `hours` of a local month (`2025-01`) or of all (`total`).

    `coverage_*` is the share of hours, in percent, between p10 and p90: 80 would be perfect.
    """

    period: str
    hours: int
    operator: float
    naive_week: float
    without_operator: float
    with_operator: float
    coverage_without_operator: float
    coverage_with_operator: float


@dataclass(frozen=True, slots=True)
class _Comparison:
    """One scored hour."""

    actual: float
    operator: float
    naive_week: float
    ours: Mapping[Variant, ForecastHour]


def scores(actual: Series, operator: Series, forecasts: Sequence[ForecastHour]) -> list[Score]:
    """Return a score a month in order, then the total; empty when no hour can be compared."""
    ours: dict[int, dict[Variant, ForecastHour]] = defaultdict(dict)
    for one in forecasts:
        ours[one.hour][one.variant] = one
    periods: dict[str, list[_Comparison]] = defaultdict(list)
    for second in sorted(ours):
        found = _compare(actual, operator, ours[second], second)
        if found:
            periods[f"{local(second):%Y-%m}"].append(found)
    everything = [one for month in periods.values() for one in month]
    return [_score(period, hours) for period, hours in (*periods.items(), (TOTAL, everything)) if hours]


def _compare(
    actual: Series, operator: Series, ours: Mapping[Variant, ForecastHour], second: int,
) -> _Comparison | None:
    measured, said, week_before = actual.at(second), operator.at(second), actual.at(second - WEEK_S)
    if measured is None or said is None or week_before is None or len(ours) < len(Variant):
        return None
    return _Comparison(measured, said, week_before, ours)


def _score(period: str, hours: Sequence[_Comparison]) -> Score:
    without, with_operator = Variant.WITHOUT_OPERATOR, Variant.WITH_OPERATOR
    return Score(
        period, len(hours),
        operator=_mape([(one.operator, one.actual) for one in hours]),
        naive_week=_mape([(one.naive_week, one.actual) for one in hours]),
        without_operator=_mape([(one.ours[without].p50, one.actual) for one in hours]),
        with_operator=_mape([(one.ours[with_operator].p50, one.actual) for one in hours]),
        coverage_without_operator=_coverage(without, hours), coverage_with_operator=_coverage(with_operator, hours),
    )


def _mape(pairs: Sequence[tuple[float, float]]) -> float:
    return 100 * fmean(abs(forecast - actual) / actual for forecast, actual in pairs)


def _coverage(variant: Variant, hours: Sequence[_Comparison]) -> float:
    return 100 * fmean(one.ours[variant].p10 <= one.actual <= one.ours[variant].p90 for one in hours)
