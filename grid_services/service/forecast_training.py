"""Training, in a process of its own: series in by standard input, models, forecasts and scores out by standard output.

`python -m grid_services.service.forecast_training` reads `{"actual": {"first", "mw"}, "operator": {...}}` and writes
`{"models", "hours", "scores", "cpu_ms"}`. It opens no file and no socket: whatever goes wrong here stays here, and
LightGBM's memory goes back to the system with the process.

The back-test walks forward: each quarter from BACKTEST_YEAR on is forecast by models fitted on the hours before that
quarter's first issue time, from features that end at each day's own issue time. BACKTEST_YEAR alone is scored; the
quarters after it stand beside the newest measurements.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date, timedelta
from itertools import repeat
from typing import Any

import lightgbm
import numpy as np

from grid_services.domain.forecast_calendar import ONE_DAY, issued, local
from grid_services.domain.forecast_features import HOURS, Days, Features, Grid, days_of, features, next_day
from grid_services.domain.forecast_recipe import (
    BACKTEST_YEAR,
    PARAMETERS,
    QUANTILES,
    REFIT_MONTHS,
    ROUNDS,
    Variant,
)
from grid_services.domain.forecast_scores import ForecastHour, scores
from grid_services.domain.load_hours import HOUR_S, Series

POLITENESS = 10
LOOK_EVERY_S = 1.0
Booster = Any
"""lightgbm.Booster, which has no types."""


def main() -> None:
    """Train what standard input describes; LightGBM's own remarks go to standard error."""
    os.nice(POLITENESS)
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    asked = json.load(sys.stdin)
    json.dump(train(Series(**asked["actual"]), Series(**asked["operator"])), answer)
    answer.close()


def end_with(parent: int) -> None:
    """End this process soon after its parent: a training that nobody waits for any more is only heat."""
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY_S)
    os._exit(1)


def train(actual: Series, operator: Series) -> dict[str, Any]:
    """Back-test, fit the models of today, forecast the next day; equal series give equal results."""
    began = time.process_time()
    days = days_of(actual, operator)
    tomorrow = next_day(actual)
    seen = [features(days, variant) for variant in Variant]
    with ThreadPoolExecutor(len(Variant)) as side_by_side:  # LightGBM works outside the interpreter's lock
        parts = list(side_by_side.map(_trained, repeat(days), seen, Variant, repeat(tomorrow)))
    models = [model for some, _ in parts for model in some]
    hours = [hour for _, some in parts for hour in some]
    tested = [one for one in hours if one.kind == "backtest" and local(one.hour).year == BACKTEST_YEAR]
    return {
        "models": models, "hours": [asdict(one) for one in hours],
        "scores": [asdict(score) for score in scores(actual, operator, tested)],
        "cpu_ms": round((time.process_time() - began) * 1000),
    }


def _trained(
    days: Days, seen: Features, variant: Variant, tomorrow: date,
) -> tuple[list[dict[str, Any]], list[ForecastHour]]:
    """Return a variant's models of today, and its hours: the back-test's and, if its features are there, tomorrow's."""
    hours = list(backtest(days, seen, variant, tomorrow))
    boosters = fit(days, seen, tomorrow)
    models = [{"variant": variant, "quantile": quantile, "model": booster.model_to_string()}
              for quantile, booster in zip(QUANTILES, boosters, strict=True)]
    if variant is Variant.WITHOUT_OPERATOR or np.isfinite(days.operator[days.index(tomorrow)]).all():
        span = (tomorrow, tomorrow + ONE_DAY)
        hours += predict(days, seen, boosters, kind="day_ahead", variant=variant, span=span)
    return models, hours


def backtest(days: Days, seen: Features, variant: Variant, tomorrow: date) -> Iterator[ForecastHour]:
    """Yield the forecast of every hour from BACKTEST_YEAR to `tomorrow`, refitted at the start of each quarter."""
    start = date(BACKTEST_YEAR, 1, 1)
    while start < tomorrow:
        months = start.month + REFIT_MONTHS
        end = min(date(start.year + months // 13, (months - 1) % 12 + 1, 1), tomorrow)
        yield from predict(days, seen, fit(days, seen, start), kind="backtest", variant=variant, span=(start, end))
        start = end


def fit(days: Days, seen: Features, day: date) -> list[Booster]:
    """Return a model a quantile, fitted on what was measured before the forecast for `day` is issued."""
    last = days.index(day - ONE_DAY)
    rows = slice(0, last * HOURS)
    departure = days.actual.ravel()[rows] - seen.level[rows]
    good = np.isfinite(departure)
    data = lightgbm.Dataset(seen.matrix[rows][good], departure[good], params=PARAMETERS, free_raw_data=False)
    return [lightgbm.train(PARAMETERS | {"alpha": quantile / 100}, data, ROUNDS) for quantile in QUANTILES]


def predict(  # noqa: PLR0913 - what a forecast is made of
    days: Days, seen: Features, boosters: list[Booster], *, kind: str, variant: Variant, span: tuple[date, date],
) -> Iterator[ForecastHour]:
    """Yield the forecast of every true hour of the days in [span)."""
    first, end = (days.index(day) for day in span)
    rows = slice(first * HOURS, end * HOURS)
    found = np.stack([booster.predict(seen.matrix[rows]) for booster in boosters], axis=1)
    found = np.sort(found + seen.level[rows, None], axis=1)  # sorted: quantiles fitted apart may cross
    for offset in range((span[1] - span[0]).days):
        yield from _day(span[0] + timedelta(days=offset), found[offset * HOURS:(offset + 1) * HOURS], kind, variant)


def _day(day: date, found: Grid, kind: str, variant: Variant) -> Iterator[ForecastHour]:
    issue = int(issued(day).timestamp())
    begin, end = (int(issued(one + ONE_DAY).timestamp()) for one in (day, day + ONE_DAY))
    for second in range(begin, end, HOUR_S):
        low, middle, high = (round(float(mw), 3) for mw in found[local(second).hour])
        if np.isfinite(middle):
            yield ForecastHour(kind, variant, second, issue, low, middle, high)


if __name__ == "__main__":
    main()
