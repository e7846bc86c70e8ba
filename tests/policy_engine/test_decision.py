"""An engine's answer is a decision, or a no that says what is wrong with it."""

from typing import Any

import pytest

from policy_engine.domain.decision import LOG_IN_AGAIN, from_answer
from policy_engine.domain.question import digest_of, to_document
from tests.policy_engine.house import question

YES: dict[str, Any] = {"allow": True, "reasons": ["fine"], "obligations": {}, "ttl_s": 5}
NO: dict[str, Any] = {"allow": False, "reasons": ["never"], "obligations": {}, "ttl_s": 0}


@pytest.mark.parametrize("obligations", [
    {"watermark": {}}, {"mask": {"columns": ["a"]}}, {"row_filter": {"column": "meter_id", "in": []}},
    {"aggregate_floor": {"n": 5, "grain": "hour"}}, {"notify": {"whom": "security", "why": "x"}},
])
def test_a_yes_may_demand_what_this_product_fulfils(obligations: dict[str, Any]) -> None:
    assert from_answer({**YES, "obligations": obligations}, "r").obligations == obligations


@pytest.mark.parametrize("obligations", [
    {"mask": {}}, {"unheard_of": {}}, {"row_filter": {"column": "x", "in": "y"}}, {"watermark": {"x": 1}}, {"mask": 1},
])
def test_a_yes_with_a_demand_nobody_understands_is_a_no(obligations: dict[str, Any]) -> None:
    decision = from_answer({**YES, "obligations": obligations}, "r")

    assert decision.allow is False
    assert "malformed" in decision.reasons[0]


def test_a_no_may_demand_a_login_and_nothing_about_data() -> None:
    step_up = {"step_up": {"max_age": 900}}

    assert from_answer({**NO, "obligations": step_up}, "r").obligations == step_up
    assert "a no demands mask" in from_answer({**NO, "obligations": {"mask": {"columns": []}}}, "r").reasons[0]


def test_a_yes_that_demands_a_login_is_a_no_that_does() -> None:
    demanded = {"step_up": {"max_age": 900}, "mask": {"columns": ["a"]}}

    decision = from_answer({**YES, "obligations": demanded}, "r")

    assert (decision.allow, decision.reasons[0], decision.ttl_s) == (False, LOG_IN_AGAIN, 0)
    assert decision.obligations == {"step_up": {"max_age": 900}}


def test_the_digest_is_of_all_but_the_address() -> None:
    here, elsewhere = (to_document(question(source_ip=address)) for address in ("203.0.113.7", "2001:db8::1"))
    other = to_document(question(source_ip="203.0.113.7", risk=11))

    assert digest_of(here) == digest_of(elsewhere) != digest_of(other)


@pytest.mark.parametrize("clothed", ["::ffff:203.0.113.7", "0:0:0:0:0:FFFF:cb00:7107"])
def test_an_ipv4_address_in_ipv6_clothes_is_itself_to_every_engine(clothed: str) -> None:
    assert to_document(question(source_ip=clothed)) == to_document(question(source_ip="203.0.113.7"))


def test_no_text_can_pass_for_the_address() -> None:
    sly = '","source_ip":"198.51.100.1","x":"'
    one, two = (to_document(question(purpose=purpose)) for purpose in (sly, sly.replace("198", "199")))

    assert digest_of(one) != digest_of(two)
