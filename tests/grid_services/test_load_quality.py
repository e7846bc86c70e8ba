"""The law of marking: every figure gets one mark, every hour of the span appears once."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid_services.domain.load_hours import HOUR_S, Series, unbroken
from grid_services.domain.load_quality import CEILING_MW, Quality, judge
from tests.grid_services.load_fakes import START


@pytest.mark.parametrize(("mw", "quality"), [
    (None, Quality.MISSING), (math.nan, Quality.MISSING), (0.0, Quality.ZERO), (-1.0, Quality.ZERO),
    (0.44, Quality.OK), (CEILING_MW, Quality.OK), (CEILING_MW + 0.01, Quality.SPIKE), (math.inf, Quality.SPIKE),
])
def test_a_figure_gets_its_mark(mw: float | None, quality: Quality) -> None:
    assert judge(mw) is quality


@given(st.lists(st.integers(0, 400), min_size=1, unique=True).map(sorted))
def test_every_hour_of_the_span_appears_once_and_gaps_have_no_figure(places: list[int]) -> None:
    rows = [(START + place * HOUR_S, 1000.0 + place) for place in places]

    hours = list(unbroken(rows))

    assert [int(one.hour.timestamp()) for one in hours] == list(range(rows[0][0], rows[-1][0] + 1, HOUR_S))
    assert {int(one.hour.timestamp()): one.mw for one in hours if one.quality is Quality.OK} == dict(rows)
    assert all(one.mw is None for one in hours if one.quality is Quality.MISSING)


@pytest.mark.parametrize("seconds", [[START, START], [START + HOUR_S, START], [START + 1]])
def test_a_row_out_of_order_or_off_the_hour_is_refused(seconds: list[int]) -> None:
    with pytest.raises(ValueError, match="not a new full hour"):
        list(unbroken((second, 1.0) for second in seconds))


def test_a_series_answers_none_outside_itself() -> None:
    series = Series(START, [1.0, 2.0])

    assert [series.at(START - HOUR_S), series.at(START), series.at(series.end)] == [None, 1.0, None]
    assert datetime.fromtimestamp(series.end, UTC).hour == 1
