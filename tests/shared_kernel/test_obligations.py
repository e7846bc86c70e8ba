"""Obligations are understood exactly, or nothing is done."""

from typing import Any

import pytest

from shared_kernel.obligations import (
    AggregateFloor,
    MalformedObligationError,
    RowFilter,
    StepUp,
    aggregate_floor_of,
    refuse_malformed,
    row_filter_of,
    step_up_of,
)

GOOD: dict[str, Any] = {
    "step_up": {"acr": "urn:x", "max_age": 900}, "mask": {"columns": ["a"]},
    "row_filter": {"column": "meter_id", "in": ["M-1"]}, "aggregate_floor": {"n": 5, "grain": "hour"},
    "notify": {"whom": "security", "why": "risk 70"}, "watermark": {},
}


def test_all_six_are_understood() -> None:
    refuse_malformed(GOOD)

    assert step_up_of(GOOD) == StepUp("urn:x", 900)
    assert row_filter_of(GOOD) == RowFilter("meter_id", ("M-1",), is_prefix=False)
    assert aggregate_floor_of(GOOD) == AggregateFloor(5, "hour")


def test_what_is_not_demanded_is_none() -> None:
    assert (step_up_of({}), row_filter_of({}), aggregate_floor_of({})) == (None, None, None)


@pytest.mark.parametrize(("name", "parameters"), [
    ("self_destruct", {}), ("Mask", {"columns": []}), ("mask ", {"columns": []}),
    ("step_up", {}), ("step_up", {"max_age": 0}), ("step_up", {"max_age": True}), ("step_up", {"max_age": "900"}),
    ("step_up", {"max_age": 900.0}), ("step_up", {"acr": 'x", realm="evil'}),
    ("step_up", {"acr": "a\r\nSet-Cookie: b"}),
    ("step_up", {"acr": ""}), ("step_up", {"max_age": 900, "more": 1}), ("step_up", {"acr": None, "max_age": None}),
    ("mask", {}), ("mask", {"columns": "a"}), ("mask", {"columns": [1]}), ("mask", {"columns": [""]}),
    ("mask", {"columns": ["a"], "but": ["b"]}), ("mask", {"columns": {"a": 1}}),
    ("row_filter", {"column": "meter_id"}), ("row_filter", {"column": "meter_id", "in": "M"}),
    ("row_filter", {"column": "a; DROP TABLE x", "in": []}), ("row_filter", {"column": "meter_id", "like": ["%"]}),
    ("row_filter", {"column": "meter_id", "in": ["a"], "starts_with": ["b"]}),
    ("row_filter", {"column": "\uff4deter_id", "in": []}),
    ("row_filter", {"column": "meter_id", "in": [None]}), ("row_filter", {"column": "meter_id", "starts_with": [""]}),
    ("aggregate_floor", {"n": 1, "grain": "hour"}), ("aggregate_floor", {"n": 5}),
    ("aggregate_floor", {"n": 5, "grain": "minute"}),
    ("aggregate_floor", {"n": True, "grain": "hour"}), ("aggregate_floor", {"n": 5, "grain": ["hour"]}),
    ("notify", {"whom": "security"}), ("notify", {"whom": "", "why": "x"}), ("watermark", {"off": True}),
    ("watermark", None), ("mask", []),
])
def test_one_that_is_not_exactly_that_is_refused(name: str, parameters: Any) -> None:
    with pytest.raises(MalformedObligationError, match="nothing is done"):
        refuse_malformed({name: parameters})


@pytest.mark.parametrize(("value", "passes"), [
    ("MTR-0001", True), ("MTR-0011", False), ("mtr-0001", False), ("\u039cTR-0001", False), ("MTR-0001\u200b", False),
    (None, False), (1, False), ("", False),
])
def test_a_filter_compares_texts_as_they_are(value: Any, passes: bool) -> None:  # noqa: FBT001 - a table
    assert RowFilter("meter_id", ("MTR-0001", "MTR-0002"), is_prefix=False).passes({"meter_id": value}) is passes


def test_a_filter_without_values_passes_nothing() -> None:
    assert not RowFilter("meter_id", (), is_prefix=True).passes({"meter_id": "MTR-0001"})
    assert not RowFilter("meter_id", ("M",), is_prefix=True).passes({"other": "M"})
