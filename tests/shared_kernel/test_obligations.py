"""A row filter and a floor are understood exactly, or nothing is done."""

from typing import Any

import pytest

from shared_kernel.obligations import AggregateFloor, MalformedObligationError, RowFilter

GOOD: dict[str, Any] = {
    "row_filter": {"column": "meter_id", "in": ["M-1"]}, "aggregate_floor": {"n": 5, "grain": "hour"},
}


def test_both_are_understood() -> None:
    assert RowFilter.of(GOOD) == RowFilter("meter_id", ("M-1",))
    assert AggregateFloor.of(GOOD) == AggregateFloor(5, "hour")


def test_what_is_not_demanded_is_none() -> None:
    assert (RowFilter.of({}), AggregateFloor.of({})) == (None, None)


def test_one_that_is_not_understood_is_refused() -> None:
    with pytest.raises(MalformedObligationError, match=r"'row_filter' is malformed .* nothing is done"):
        RowFilter.of({"row_filter": {"column": "meter_id", "like": ["%"]}})


@pytest.mark.parametrize(("value", "passes"), [
    ("MTR-0001", True), ("MTR-0011", False), ("mtr-0001", False), ("\u039cTR-0001", False), ("MTR-0001\u200b", False),
    (None, False), (1, False), ("", False),
])
def test_a_filter_compares_texts_as_they_are(value: Any, passes: bool) -> None:  # noqa: FBT001 - a table
    assert RowFilter("meter_id", ("MTR-0001", "MTR-0002")).passes({"meter_id": value}) is passes


def test_a_filter_without_values_passes_nothing() -> None:
    assert not RowFilter("meter_id", starts_with=()).passes({"meter_id": "MTR-0001"})
    assert not RowFilter("meter_id", starts_with=("M",)).passes({"other": "M"})
