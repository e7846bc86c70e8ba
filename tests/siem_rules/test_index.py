"""The index only saves time: with it and without it, the same rules match the same events."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_kernel.events import SealedEvent
from siem_rules.domain.engine import Engine
from siem_rules.domain.errors import RuleRefusedError
from siem_rules.domain.event_time import Lateness
from siem_rules.domain.index import RuleIndex
from siem_rules.domain.rule import Rule
from siem_rules.domain.sigma_file import parse_rule
from siem_rules.domain.view import View
from siem_rules.domain.windows_event import flattened
from siem_rules.service.rule_folder import RuleFolders

SYSMON = "Microsoft-Windows-Sysmon/Operational"
FIELDS = ("a", "b.c", "event.action", "EventID", "Channel", "event.module")
PIECES = ("x", "Xy", "\\cmd", "1", "1.0", "true", "ΑΣ", "İ", "é", "\n", " ", "user_login", SYSMON, "okta")
TEXTS = st.lists(st.sampled_from(PIECES), max_size=3).map("".join)
SCALARS: st.SearchStrategy[Any] = st.one_of(
    TEXTS, st.none(), st.booleans(), st.sampled_from([0, 1, 4104, 1.0, 1.5, 1e22, -0.0, "\ud800x", ""]))
VALUES: st.SearchStrategy[Any] = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=3), st.lists(st.lists(SCALARS, max_size=2), max_size=2),
    st.lists(st.fixed_dictionaries({"c": SCALARS}), max_size=2), st.fixed_dictionaries({"c": SCALARS}))
EVENTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({}, optional={
    "a": VALUES, "b": VALUES, "b.c": VALUES, "EventID": VALUES, "z": VALUES,
    "Channel": st.one_of(st.just(SYSMON), VALUES),
    "event": st.one_of(VALUES, st.fixed_dictionaries({}, optional={"action": VALUES, "module": VALUES})),
})
MODIFIERS = ("", "|contains", "|startswith", "|endswith", "|contains|all", "|cased", "|re", "|exists", "|gt",
             "|fieldref", "|contains|cased", "|windash|contains")
PATTERNS = st.lists(st.sampled_from((*PIECES, "*", "?")), min_size=1, max_size=3).map("".join)


@st.composite
def selections(draw: st.DrawFn) -> Any:
    """A map of fields to patterns, a list of such maps, or keywords."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.lists(PATTERNS, min_size=1, max_size=3))
    maps = draw(st.lists(st.lists(_items(), min_size=1, max_size=3).map(dict), min_size=1, max_size=2))
    return maps if len(maps) > 1 else maps[0]


@st.composite
def _items(draw: st.DrawFn) -> tuple[str, Any]:
    field, modifier = draw(st.sampled_from(FIELDS)), draw(st.sampled_from(MODIFIERS))
    match modifier:
        case "|exists":
            return field + modifier, draw(st.booleans())
        case "|gt":
            return field + modifier, draw(st.integers(0, 2))
        case "|fieldref":
            return field + modifier, draw(st.sampled_from(FIELDS))
        case "|re":
            return field + modifier, draw(st.sampled_from(["^x", "y$", ".", "(?i)CMD", "^$"]))
        case "":
            return field, draw(st.one_of(
                PATTERNS, st.lists(PATTERNS, min_size=1, max_size=3), st.none(), st.integers(0, 1)))
    return field + modifier, draw(st.lists(PATTERNS, min_size=1, max_size=14))


@st.composite
def rules(draw: st.DrawFn) -> Rule | None:
    """A rule of any shape this engine takes; None where it was refused."""
    text = {
        "title": "t", "name": f"n{draw(st.integers(0, 10**9))}",
        "logsource": draw(st.sampled_from([
            {"product": "gridwarden"}, {"category": "proxy"}, {"product": "okta"},
            {"product": "windows", "category": "process_creation"}, {"product": "windows", "service": "sysmon"},
        ])),
        "detection": {"s": draw(selections()), "t": draw(selections()), "condition": draw(st.sampled_from([
            "s", "s and t", "s or t", "s and not t", "not s", "not (s or t)", "1 of them", "(s or t) and not (s and t)",
        ]))},
    }
    try:
        return parse_rule(json.dumps(text), "generated")
    except RuleRefusedError:
        return None


def matching(rules: Iterable[Rule], view: View) -> list[str]:
    """Ask every rule in turn: the meaning the index must keep. A rule that raises is a rule that found nothing."""
    return [base.name for rule in rules for base in rule.bases if _matches(base.test, view)]


def _matches(test: Any, view: View) -> bool:
    try:
        return bool(test(view))
    except UnicodeEncodeError:  # RE2 takes no half surrogate pair; the engine counts such a rule's error
        return False


@settings(max_examples=400, deadline=None)
@given(drawn=st.lists(rules(), min_size=1, max_size=8), events=st.lists(EVENTS, min_size=1, max_size=6))
def test_the_index_leaves_out_no_rule_that_matches(drawn: list[Rule | None], events: list[dict[str, Any]]) -> None:
    kept = [rule for rule in drawn if rule is not None]
    index = RuleIndex(kept)

    for event in events:
        view = View(event)
        found = [base.name for _, base in index.candidates(view) if _matches(base.test, view)]
        assert found == matching(kept, View(event))


def test_other_peoples_rules_match_their_events_with_and_without_the_index(shared_vectors: Path) -> None:
    folder = shared_vectors / "sigma"
    public = RuleFolders([folder / "rules", folder / "rules-emerging-threats"]).read().rules
    index = RuleIndex(public)
    views = [View(flattened(event)) for event in _records(folder / "regression_data")]

    indexed = [[base.name for _, base in index.candidates(view) if base.test(view)] for view in views]

    assert indexed == [matching(public, view) for view in views]
    assert sum(map(len, indexed)) > len(views) / 2
    assert sum(len(index.candidates(view)) for view in views) < 3 * len(views)


def _records(folder: Path) -> list[dict[str, Any]]:
    decoder, found = json.JSONDecoder(), []
    for path in sorted(folder.rglob("*.json")):
        text = path.read_text().strip()
        while text:
            record, end = decoder.raw_decode(text)
            found.append(record)
            text = text[end:].lstrip()
    return found


@pytest.mark.parametrize("oddity", [
    {"Event": {"System": {}, "EventData": "x"}}, {"Event": {"System": {}, "UserData": ["x"]}},
    {"Event": {"System": {"Provider": {"#attributes": "x"}, "TimeCreated": "x"}}},
    {"Event": {"System": {}, "EventData": {"a": {"b": {"#text": 1}}, "c": {"#text": {"d": 1}}}}},
])
def test_an_odd_windows_record_stops_nothing(oddity: dict[str, Any]) -> None:
    text = "title: t\nlogsource: {product: windows, service: sysmon}\ndetection: {k: [x], condition: k}"
    rule = parse_rule(text, "t.yml")

    found = Engine([rule], Lateness()).observe("bus:windows", [SealedEvent(0, 0, oddity)])

    assert (found.alerts, found.errors) == ([], {})
