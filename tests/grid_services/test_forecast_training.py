"""The forecast is honest: it never sees the future, its errors are as stated, and it is the same each time."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid_services.adapters.forecast_process import TrainingProcess
from grid_services.adapters.load_parquet import ParquetArchive
from grid_services.domain.forecast_calendar import ONE_DAY, issued, midnight
from grid_services.domain.forecast_features import HOURS, days_of, features
from grid_services.domain.forecast_recipe import Variant
from grid_services.domain.load_hours import HOUR_S, Series, unbroken
from grid_services.domain.load_quality import Quality
from grid_services.service import forecast_training
from tests.grid_services.load_fakes import START

DAYS = 60
WEEK = 168


def _series(name: str) -> Series:
    hours = list(unbroken(ParquetArchive().rows(name)))
    return Series(int(hours[0].hour.timestamp()), [one.mw if one.quality is Quality.OK else None for one in hours])


@pytest.fixture(scope="session")
def actual() -> Series:
    """The measured archive."""
    return _series("load_actual")


@pytest.fixture(scope="session")
def operator() -> Series:
    """The operator's archive."""
    return _series("load_forecast")


def _changed_from(series: Series, second: int) -> Series:
    """Return the series with everything from `second` on made absurd."""
    place = (second - series.first) // HOUR_S
    return Series(series.first, [*series.mw[:place], *(9_999.0 for _ in series.mw[place:])])


@settings(max_examples=15, deadline=None)
@given(st.integers(40, DAYS - 1), st.sampled_from(Variant))
def test_no_feature_of_a_day_changes_when_the_future_of_its_issue_time_does(row: int, variant: Variant) -> None:
    waves = [1_200 + 300 * float(np.sin(place / 3.8)) for place in range(DAYS * HOURS)]
    # The run holds the last Sunday of March, so that the 23-hour day is among the days drawn.
    actual, operator = Series(START + 55 * 86_400, waves), Series(START + 55 * 86_400, waves[::-1])
    days = days_of(actual, operator)
    day = days.dates()[row]
    cut = int(issued(day).timestamp())

    told = features(days, variant)
    blind = features(days_of(_changed_from(actual, cut), operator), variant)

    rows = slice(row * HOURS, (row + 1) * HOURS)
    assert np.array_equal(told.matrix[rows], blind.matrix[rows], equal_nan=True)
    assert np.array_equal(told.level[rows], blind.level[rows], equal_nan=True)


@pytest.mark.parametrize("day", [date(2025, 3, 31), date(2025, 10, 27), date(2025, 1, 1)])
def test_a_forecast_is_issued_one_local_day_ahead_whatever_the_clock_does(day: date) -> None:
    assert issued(day) == midnight(day - ONE_DAY)
    assert (midnight(day) - issued(day)).total_seconds() / 3_600 in {23, 24, 25}


@pytest.mark.slow
def test_models_fitted_for_a_quarter_do_not_change_when_the_future_does(actual: Series, operator: Series) -> None:
    day = date(2025, 10, 1)
    cut = int(issued(day).timestamp())
    first, end = (actual.first + 7 * 365 * 24 * HOUR_S, len(actual.mw))  # the last years are enough for this law
    short = Series(first, actual.mw[(first - actual.first) // HOUR_S:end])

    forecasts = []
    for measured in (short, _changed_from(short, cut)):
        days = days_of(measured, operator)
        seen = features(days, Variant.WITH_OPERATOR)
        boosters = forecast_training.fit(days, seen, day)
        forecasts.append(list(forecast_training.predict(
            days, seen, boosters, kind="backtest", variant=Variant.WITH_OPERATOR, span=(day, day + ONE_DAY))))

    assert len(forecasts[0]) == 24
    assert forecasts[0] == forecasts[1]


@pytest.fixture(scope="module")
def trained(actual: Series, operator: Series) -> dict[str, Any]:
    """One whole training in this process."""
    return json.loads(json.dumps(forecast_training.train(actual, operator)))  # type: ignore[no-any-return]


def _shipped(name: str, column: str, renamed: str) -> pl.DataFrame:
    path = Path(forecast_training.__file__).parents[1] / "data" / "bih_load" / f"{name}.parquet"
    return pl.read_parquet(path).select(
        pl.col("__index_level_0__").dt.epoch("s").alias("hour"),
        pl.when(pl.col(column).is_between(0, 2_500, closed="right")).then(pl.col(column)).alias(renamed),
    )


@pytest.mark.slow
def test_the_backtest_states_the_errors_polars_computes_from_its_hours(trained: dict[str, Any]) -> None:
    ours = pl.DataFrame(trained["hours"]).filter(pl.col("kind") == "backtest").pivot(
        "variant", index="hour", values="p50")
    measured = _shipped("load_actual", "Actual Load", "actual")
    frame = (
        ours.join(measured, on="hour").join(_shipped("load_forecast", "Forecasted Load", "operator"), on="hour")
        .join(measured.select(pl.col("hour") + WEEK * HOUR_S, pl.col("actual").alias("naive_week")), on="hour")
        .drop_nulls()
        .with_columns(period=pl.from_epoch("hour").dt.replace_time_zone("UTC")
                      .dt.convert_time_zone("Europe/Sarajevo").dt.strftime("%Y-%m"))
    )
    frame = frame.filter(pl.col("period").str.starts_with("2025-"))
    names = ("operator", "naive_week", "without_operator", "with_operator")
    errors = [(100 * (pl.col(name) - pl.col("actual")).abs() / pl.col("actual")).mean().alias(name) for name in names]
    expected = {row["period"]: row for row in frame.group_by("period").agg(pl.len().alias("hours"), *errors).to_dicts()}
    expected["total"] = frame.select(pl.len().alias("hours"), *errors).to_dicts()[0]

    stated = {row["period"]: row for row in trained["scores"]}

    assert stated.keys() == expected.keys()
    for period, row in stated.items():
        assert row["hours"] == expected[period]["hours"]
        assert [row[name] for name in names] == pytest.approx([expected[period][name] for name in names], rel=1e-9)


@pytest.mark.slow
def test_the_forecast_beats_its_goals_on_the_operators_own_hours(trained: dict[str, Any]) -> None:
    total = trained["scores"][-1]

    assert (total["period"], total["hours"]) == ("total", 8_664)
    assert total["operator"] == pytest.approx(15.79, abs=0.01)
    assert total["naive_week"] == pytest.approx(10.31, abs=0.01)
    assert total["without_operator"] <= 8.1
    assert total["with_operator"] <= 7.3


@pytest.mark.slow
def test_every_hour_of_the_year_is_forecast_once_a_variant_with_ordered_quantiles(trained: dict[str, Any]) -> None:
    hours = pl.DataFrame(trained["hours"])

    tested = hours.filter((pl.col("kind") == "backtest") & pl.col("hour").is_between(START, START + 8_759 * HOUR_S))
    assert tested.group_by("variant").agg(pl.col("hour").n_unique()).get_column("hour").to_list() == [8_760, 8_760]
    assert tested.height == 2 * 8_760
    assert hours.select(((pl.col("p10") <= pl.col("p50")) & (pl.col("p50") <= pl.col("p90"))).all()).item()
    assert hours.select((pl.col("hour") - pl.col("issued_at") >= 23 * HOUR_S).all()).item()
    assert trained["cpu_ms"] > 0


def _small() -> dict[str, Any]:
    """Half a year before 2025 and some weeks of it: enough for a training that takes a second."""
    first = START - 180 * 86_400
    waves = [1_200 + 300 * float(np.sin(place / 3.8)) + place % 7 for place in range(600 * 24)]
    return {name: {"first": first, "mw": waves} for name in ("actual", "operator")}


@pytest.mark.slow
async def test_the_training_process_gives_the_same_models_twice() -> None:
    process = TrainingProcess()

    answers = [orjson.loads(await process.train(orjson.dumps(_small()))) for _ in range(2)]

    assert len(answers[0]["models"]) == 6
    assert answers[0]["models"] == answers[1]["models"]
    assert answers[0]["hours"] == answers[1]["hours"]


def test_a_training_ends_with_whoever_asked_for_it() -> None:
    """A product that was killed leaves no child behind that trains for a minute more."""
    training = "from grid_services.service.forecast_training import end_with"
    child = f"import os; {training}; asker = os.getppid(); print(os.getpid(), flush=True); end_with(asker)"
    asker = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", asker], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        orphan = psutil.Process(int(process.stdout.readline()))
        process.kill()
        orphan.wait(timeout=60)

    assert not orphan.is_running()
