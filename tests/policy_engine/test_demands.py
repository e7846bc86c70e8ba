"""What a policy demands is understood exactly, or nothing is done."""

from typing import Any

import pytest

from policy_engine.domain.demands import StepUp, refuse_malformed
from shared_kernel.obligations import MalformedObligationError

GOOD: dict[str, Any] = {
    "step_up": {"acr": "urn:x", "max_age": 900}, "mask": {"columns": ["a"]},
    "row_filter": {"column": "meter_id", "in": ["M-1"]}, "aggregate_floor": {"n": 5, "grain": "hour"},
    "notify": {"whom": "security", "why": "risk 70"}, "watermark": {},
}


def test_all_six_are_understood() -> None:
    refuse_malformed(GOOD)

    assert StepUp.of(GOOD) == StepUp("urn:x", 900)


def test_a_mask_by_column_is_understood() -> None:
    refuse_malformed({"mask": {"columns": {"customer_id": "hash"}}})


def test_a_login_not_demanded_is_none() -> None:
    assert StepUp.of({}) is None


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
    ("row_filter", {"column": "\uff4deter_id", "in": []}), ("row_filter", {"column": "meter_id\n", "in": []}),
    ("row_filter", {"column": "meter_id", "in": None}),
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
