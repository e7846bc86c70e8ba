"""Rule files: what compiles means what Sigma says; what would not run faithfully is refused by name."""

import re
import textwrap
from typing import Any

import pytest

from shared_kernel.events import SealedEvent
from siem_rules.domain.engine import Engine
from siem_rules.domain.errors import RuleRefusedError
from siem_rules.domain.event_time import Lateness
from siem_rules.domain.sigma_file import parse_rule
from siem_rules.domain.view import View

HEAD = "title: t\nname: t\nlogsource: {product: gridwarden}\n"
COUNT = """
---
title: c
correlation: {type: %s, rules: [t], group-by: [a], timespan: 1m, condition: %s}
"""


def rule_of(detection: str) -> str:
    return f"{HEAD}detection:\n{textwrap.indent(textwrap.dedent(detection).strip(), '  ')}\n"


def matches(detection: str, event: dict[str, Any]) -> bool:
    base, = parse_rule(rule_of(detection), "t.yml").bases
    return base.test(View(event))


def selects(selection: str, event: dict[str, Any]) -> bool:
    return matches(f"s: {{{selection}}}\ncondition: s", event)


@pytest.mark.parametrize(("selection", "event", "expected"), [
    ("a.b: Value", {"a": {"b": "vALUE"}}, True),
    ("a.b: Value", {"a.b": "value"}, True),
    ("a.b: Value", {"a": {"b": ["x", "VALUE"]}}, True),
    ("a.b: Value", {"a": [{"b": "x"}, {"b": "value"}]}, True),
    ("a.b: Value", {"a": {"b": "values"}}, False),
    ("a: [x, y]", {"a": "y"}, True),
    ("a: ''", {"a": ""}, True),
    ("a: ''", {}, False),
    ("a: 4688", {"a": "4688"}, True),
    ("a: '4688'", {"a": 4688}, True),
    ("a: 1", {"a": 1.0}, True),
    ("a: true", {"a": True}, True),
    ("a: true", {"a": "true"}, True),
    ("a: 'x*z'", {"a": "XyyZ"}, True),
    ("a: 'x?z'", {"a": "xyyz"}, False),
    ("a: 'x.z*q'", {"a": "xyzq"}, False),
    ("a: '*'", {"a": ""}, True),
    ("a: '*'", {"b": 1}, False),
    (r"a: 'c:\\*'", {"a": r"C:\x"}, True),
    ("a|contains: 'BC'", {"a": "abcd"}, True),
    ("a|contains|all: [ab, cd]", {"a": "abcd"}, True),
    ("a|contains|all: [ab, xx]", {"a": "abcd"}, False),
    ("a|startswith: ab", {"a": "ABcd"}, True),
    ("a|startswith: cd", {"a": "abcd"}, False),
    ("a|endswith: [xx, cd]", {"a": "abCD"}, True),
    ("a|contains|cased: bC", {"a": "abCd"}, True),
    ("a|contains|cased: bC", {"a": "abcd"}, False),
    ("a|re: 'b.d'", {"a": "xbcdx"}, True),
    ("a|re: 'B.D'", {"a": "xbcdx"}, False),
    ("a|re|i: 'B.D'", {"a": "xbcdx"}, True),
    ("a|re|s: 'b.d'", {"a": "b\nd"}, True),
    ("a|re|m: '^d$'", {"a": "b\nd"}, True),
    ("a|cidr: 10.0.0.0/8", {"a": "10.1.2.3"}, True),
    ("a|cidr: '2001:db8::/32'", {"a": "2001:DB8::1"}, True),
    ("a|cidr: 10.0.0.0/8", {"a": "not an address"}, False),
    ("a|exists: true", {"a": 0}, True),
    ("a|exists: true", {"a": None}, False),
    ("a|exists: false", {"b": 0}, True),
    ("a|lt: 5", {"a": 4}, True),
    ("a|lt: 5", {"a": 5}, False),
    ("a|lte: 5", {"a": "5"}, True),
    ("a|gt: 5", {"a": "many"}, False),
    ("a|gte: 5.5", {"a": 5.5}, True),
    ("a|neq: x", {"a": "y"}, True),
    ("a|neq: x", {"a": "X"}, False),
    ("a|fieldref: b", {"a": "X", "b": "x"}, True),
    ("a|fieldref|startswith: b", {"a": "xyz", "b": "xy"}, True),
    ("a|fieldref: b", {"a": "x"}, False),
    ("a: null", {}, True),
    ("a: null", {"a": None}, True),
    ("a: null", {"a": []}, True),
    ("a: null", {"a": {"b": 1}}, False),
    ("a|base64offset|contains: foobar", {"a": "xZm9vYmFyx"}, True),
    ("a|windash|contains: ' -f '", {"a": "cmd /f x"}, True),
    ("a|utf16le|contains: x", {"a": "x"}, None),
])
def test_a_selection_means_what_sigma_says(
    selection: str, event: dict[str, Any], expected: bool | None,  # noqa: FBT001 - a column
) -> None:
    if expected is None:
        with pytest.raises(RuleRefusedError, match="utf16le"):
            selects(selection, event)
        return
    assert selects(selection, event) is expected


@pytest.mark.parametrize(("condition", "fields", "expected"), [
    ("sel_a and sel_b", "ab", True),
    ("sel_a and sel_b", "a", False),
    ("sel_a or sel_b", "b", True),
    ("sel_a and not sel_b", "a", True),
    ("sel_a and not sel_b", "ab", False),
    ("not (sel_a or sel_b)", "c", True),
    ("1 of sel_*", "b", True),
    ("1 of sel_*", "c", False),
    ("all of sel_*", "ab", True),
    ("all of sel_*", "a", False),
    ("1 of them", "c", True),
    ("all of them", "abc", True),
    ("all of them", "ab", False),
    ("not 1 of sel_* and other", "c", True),
    ("(sel_a or sel_b) and not other", "bc", False),
])
def test_a_condition_means_what_sigma_says(condition: str, fields: str, expected: bool) -> None:  # noqa: FBT001 - a column
    detection = f"sel_a: {{a: 1}}\nsel_b: {{b: 1}}\nother: {{c: 1}}\ncondition: {condition}"

    found = matches(detection, dict.fromkeys(fields, 1))

    assert found is expected


@pytest.mark.parametrize(("keywords", "expected"), [
    ("[needle, other]", True), ("[absent]", False), ("['nee*e']", True), ("{'|all': [needle, hay]}", True),
    ("{'|all': [needle, absent]}", False),
])
def test_keywords_search_every_value(keywords: str, expected: bool) -> None:  # noqa: FBT001 - a column
    found = matches(f"k: {keywords}\ncondition: k", {"x": {"y": ["some Needle in hay"]}})

    assert found is expected


@pytest.mark.parametrize(("text", "reason"), [
    (rule_of("s: {a|re: '(a+)+\\1'}\ncondition: s"), "linear time"),
    (rule_of("s: {a|re: '(?=.*x)y'}\ncondition: s"), "linear time"),
    (rule_of("s: {a|re: 'a{5000}'}\ncondition: s"), "linear time"),
    (rule_of("s: {a|re: '('}\ncondition: s"), "not a Sigma rule"),
    (rule_of("s: {a|hour: 5}\ncondition: s"), "SigmaTimestampPart"),
    (rule_of("s: {a|expand: '%x%'}\ncondition: s"), "expand"),
    (rule_of("s: {a|sparkle: 5}\ncondition: s"), "sparkle"),
    (rule_of("s: {a: 5}\ncondition: s | count() > 5"), "pipe syntax"),
    (rule_of("s: {a: 5}\ncondition: other"), "not defined"),
    (rule_of("s: {a: 5}\ncondition: 1 of nothing_*"), "selects nothing"),
    (rule_of("s: {a: 5}\ncondition: " + "(" * 3 + "s"), "does not parse"),
    (rule_of("s: {a: &x 5, b: *x}\ncondition: s"), "aliases"),
    ("a: [", "expected the node content"),
    ("", "no Sigma rule"),
    ("just words", "not a Sigma rule"),
    ("title: t\nlogsource: {product: windows, service: unheard}\ndetection: {s: {a: 1}, condition: s}", "not mapped"),
    (HEAD + "detection: {s: {a: 1}, condition: s}\ngridwarden: {colour: red}", "nothing else"),
    (HEAD + "detection: {s: {a: 1}, condition: s}\ngridwarden: {target: {field: a}}", "belongs to a correlation"),
    (rule_of("s: {a: 5}\ncondition: s") + COUNT % ("value_avg", "{gte: 5, field: b}"), "value_avg"),
    (rule_of("s: {a: 5}\ncondition: s") + COUNT % ("value_median", "{gte: 5, field: b}"), "value_median"),
    (rule_of("s: {a: 5}\ncondition: s") + COUNT % ("event_count", "{lt: 5}"), "`lt`"),
    (rule_of("s: {a: 5}\ncondition: s") + COUNT % ("event_count", "{eq: 5}"), "`eq`"),
    (rule_of("s: {a: 5}\ncondition: s") + COUNT % ("event_count", "{gte: 0}"), "out of range"),
    (rule_of("s: {a: 5}\ncondition: s") + COUNT % ("temporal", "t and t"), "extended"),
    (rule_of("s: {a: 5}\ncondition: s") + (COUNT % ("event_count", "{gte: 5}")).replace("[t]", "[u]"), "not a Sigma"),
])
def test_what_would_not_run_faithfully_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(RuleRefusedError, match=re.escape(reason)):
        parse_rule(text, "t.yml")


def test_a_regex_that_explodes_when_backtracking_runs_in_linear_time() -> None:
    assert not selects("a|re: '^(a+)+$'", {"a": "a" * 50_000 + "!"})


def test_a_deeply_nested_condition_is_refused_and_not_a_crash() -> None:
    with pytest.raises(RuleRefusedError):
        parse_rule(rule_of("s: {a: 5}\nt: {b: 5}\ncondition: " + "s and not (t or " * 80 + "s" + ")" * 80), "t.yml")


def test_words_of_a_rule_never_become_code() -> None:
    text = HEAD + "detection: {\"t0(v) or __import__('os')\": {\"a'); x('\": \"'); import os\"}, condition: 1 of them}"

    base, = parse_rule(text, "t.yml").bases

    assert base.test(View({"a'); x('": "'); import os"}))


def test_a_rule_for_another_product_judges_only_its_events() -> None:
    text = HEAD.replace("gridwarden", "okta") + "detection: {s: {a: 1}, condition: s}"

    base, = parse_rule(text, "t.yml").bases

    assert not base.test(View({"a": 1}))
    assert base.test(View({"a": 1, "event": {"module": "okta"}}))


def test_an_alias_joins_fields_of_different_names() -> None:
    text = HEAD + """detection: {s: {a: 1}, condition: s}
---
title: other
name: other
logsource: {product: gridwarden}
detection: {s: {b: 1}, condition: s}
---
title: both
correlation:
  type: temporal
  rules: [t, other]
  aliases: {who: {t: x, other: y}}
  group-by: [who]
  timespan: 1m
"""
    events = [SealedEvent(0, 5, {"a": 1, "x": "Amra"}), SealedEvent(1, 9, {"b": 1, "y": "amra"}),
              SealedEvent(2, 9, {"b": 1, "y": "besim"})]

    found = Engine([parse_rule(text, "t.yml")], Lateness()).observe("ledger", events).alerts

    assert [dict(alert.group) for alert in found] == [{"who": "amra"}]
