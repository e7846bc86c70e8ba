"""The engine: the alerts depend on what happened and when, never on the order in which it was told."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_kernel.clock import from_iso
from shared_kernel.events import Event, SealedEvent
from siem_rules.domain.alert import Alert
from siem_rules.domain.engine import Engine, Kept
from siem_rules.domain.event_time import Lateness
from siem_rules.domain.rule import Rule
from siem_rules.domain.sigma_file import parse_rule
from siem_rules.domain.window import MAX_MEMBERS
from siem_rules.service.rule_folder import RuleFolders, shipped_rules
from tests.siem_rules.sealed import SECOND, START_US, event, login, sealed

RULES = RuleFolders([shipped_rules()]).read().rules
LATENESS = Lateness(ledger_us=60 * SECOND)
BASES = """
title: a
name: a
logsource: {product: gridwarden}
detection: {s: {event.action: a}, condition: s}
gridwarden: {alert: false}
---
title: b
name: b
logsource: {product: gridwarden}
detection: {s: {event.action: b}, condition: s}
gridwarden: {alert: false}
---
title: c
name: c
correlation: {type: %s, rules: %s, group-by: [user.name], timespan: 10s%s}
"""


def rule_of(kind: str, rules: str = "[a]", condition: str = "") -> Rule:
    return parse_rule(BASES % (kind, rules, f", condition: {condition}" if condition else ""), "t.yml")


COUNT = rule_of("event_count", condition="{gte: 3}")
VALUES = rule_of("value_count", condition="{gte: 3, field: x}")
SUM = rule_of("value_sum", condition="{gte: 10, field: x}")
TOGETHER = rule_of("temporal", "[a, b]")
IN_ORDER = rule_of("temporal_ordered", "[a, b]")


def keys(rules: tuple[Rule, ...], batches: list[list[SealedEvent]]) -> set[str]:
    engine = Engine(rules, LATENESS)
    return {alert.key for batch in batches for alert in engine.observe("ledger", batch).alerts}


def alerts(rule: Rule, events: list[Event]) -> list[Alert]:
    return Engine([rule], LATENESS).observe("ledger", sealed(events)).alerts


def of_amra(at_s: float, action: str, **sections: Any) -> Event:
    return event(at_s, action, user={"name": "Amra"}, **sections)


def shuffled_within(events: list[SealedEvent], lateness_us: int, pick: random.Random) -> list[SealedEvent]:
    """Delay each event by less than the lateness: what a network may do to telemetry."""
    return sorted(events, key=lambda item: from_iso(item.event["@timestamp"]) + pick.random() * lateness_us * 0.99)


def in_batches(events: list[SealedEvent], pick: random.Random) -> list[list[SealedEvent]]:
    batches, rest = [], list(events)
    while rest:
        size = pick.randint(1, 20)
        batches.append(rest[:size])
        rest = rest[size:]
    return batches


STORIES: st.SearchStrategy[list[tuple[float, int, int, bool]]] = st.lists(
    st.tuples(
        st.floats(0, 900).map(lambda at: round(at, 1)), st.integers(0, 11), st.integers(0, 2), st.booleans(),
    ), min_size=1, max_size=120,
)


@settings(max_examples=60, deadline=None)
@given(story=STORIES, pick=st.randoms(use_true_random=False))
def test_shuffled_and_duplicated_telemetry_raises_the_same_alerts(
    story: list[tuple[float, int, int, bool]], pick: random.Random,
) -> None:
    ordered = sealed([
        login(at, number, f"user{user}", f"192.0.2.{ip}", failed=failed)
        for number, (at, user, ip, failed) in enumerate(sorted(story))
    ])

    in_order = keys(RULES, [ordered])
    shuffled = keys(RULES, in_batches(shuffled_within(ordered + ordered[::3], LATENESS.ledger_us, pick), pick))

    assert shuffled == in_order


@pytest.mark.parametrize("rule", [COUNT, VALUES, SUM, TOGETHER, IN_ORDER], ids=lambda rule: rule.correlations[0].kind)
@settings(max_examples=40, deadline=None)
@given(story=st.lists(st.tuples(st.integers(0, 80), st.sampled_from("ab"), st.integers(0, 4)), max_size=60),
       pick=st.randoms(use_true_random=False))
def test_every_kind_of_correlation_forgets_the_order(
    rule: Rule, story: list[tuple[int, str, int]], pick: random.Random,
) -> None:
    ordered = sealed([of_amra(at / 2, action, number=number, x=x)
                      for number, (at, action, x) in enumerate(sorted(story))])

    in_order = keys((rule,), [[item] for item in ordered])
    shuffled = keys((rule,), in_batches(shuffled_within(ordered, LATENESS.ledger_us, pick), pick))

    assert shuffled == in_order == _by_definition(rule, ordered)


def _by_definition(rule: Rule, events: list[SealedEvent]) -> set[str]:
    """The module docstring of `window`, word for word and as slow as that: every window that ends with an event."""
    correlation = rule.correlations[0]
    span = correlation.span_us
    known = [(from_iso(item.event["@timestamp"]), item.event["event"]["action"], item.event["x"]) for item in events
             if item.event["event"]["action"] in correlation.parts]
    fulfilled: dict[str, Callable[[int, list[tuple[int, str, int]]], bool]] = {
        "event_count": lambda _, window: len(window) >= 3,
        "value_count": lambda _, window: len({x for _, _, x in window}) >= 3,
        "value_sum": lambda _, window: sum(x for _, _, x in window) >= 10,
        "temporal": lambda _, window: {action for _, action, _ in window} == {"a", "b"},
        "temporal_ordered": lambda end, window: (end, "b") in {(at, action) for at, action, _ in window}
        and any(action == "a" for _, action, _ in window),
    }
    ends = {end for end, _, _ in known
            if fulfilled[correlation.kind](end, [item for item in known if end - span <= item[0] <= end])}
    return {f'c/c|ledger|["amra"]|{end // span}' for end in ends}


def test_both_ends_belong_to_the_window() -> None:
    exact = [of_amra(at, "a", number=at) for at in (0, 5, 10)]
    beyond = [of_amra(at, "a", number=number) for number, at in enumerate((0, 5, 10.000001))]

    assert len(alerts(COUNT, exact)) == 1
    assert alerts(COUNT, beyond) == []


def test_a_burst_across_a_slot_border_is_not_missed() -> None:
    border_s = (10 * SECOND - START_US % (10 * SECOND)) / SECOND

    found = alerts(COUNT, [of_amra(border_s + offset, "a", number=number) for number, offset in enumerate((-2, -1, 1))])

    assert len(found) == 1


def test_an_alert_is_raised_with_the_event_that_reaches_the_threshold() -> None:
    engine = Engine([COUNT], LATENESS)
    events = sealed([of_amra(at, "a", number=at) for at in range(4)])

    raised = [len(engine.observe("ledger", [item]).alerts) for item in events]

    assert raised == [0, 0, 1, 0]


def test_an_event_told_twice_counts_once() -> None:
    once = of_amra(0, "a", number=1)

    assert alerts(COUNT, [once, once, once]) == []


def test_a_late_event_is_counted_and_left_out_of_correlations() -> None:
    engine = Engine([COUNT], LATENESS)
    engine.observe("ledger", sealed([of_amra(at, "a", number=at) for at in (0, 1, 100)]))

    found = engine.observe("ledger", sealed([of_amra(2, "a", number=4)], first=3))

    assert (found.alerts, found.late) == ([], 1)


def test_an_event_just_within_the_lateness_completes_a_window() -> None:
    engine = Engine([COUNT], LATENESS)
    engine.observe("ledger", sealed([of_amra(0, "a", number=1), of_amra(1, "a", number=2), of_amra(62, "a", number=3)]))

    found = engine.observe("ledger", sealed([of_amra(2, "a", number=4)], first=3))

    assert (len(found.alerts), found.late) == (1, 0)


def test_a_clock_that_runs_ahead_does_not_make_the_others_late() -> None:
    engine = Engine([COUNT], LATENESS)
    ahead = SealedEvent(0, START_US, of_amra(86_400, "a", number=0))
    engine.observe("ledger", [ahead])

    found = engine.observe("ledger", sealed([of_amra(1, "a", number=1), of_amra(2, "a", number=2)], first=1))

    assert (len(found.alerts), found.late) == (1, 0)


def test_state_is_forgotten_once_nothing_can_reach_it() -> None:
    engine = Engine(RULES, LATENESS)
    for minute in range(300):
        engine.observe("ledger", sealed(
            [login(minute * 60, minute, f"user{minute}", f"192.0.2.{minute % 200}", failed=True)], first=minute))

    assert engine.remembered < 60


def test_a_flood_into_one_group_stays_bounded() -> None:
    engine = Engine([SUM], LATENESS)

    engine.observe("ledger", sealed([of_amra(0, "a", number=number, x=0) for number in range(MAX_MEMBERS + 500)]))

    group, = engine.state.groups.values()
    assert group.dropped == 500


def test_restored_state_completes_a_window_begun_before() -> None:
    before, after = Engine([COUNT], LATENESS), Engine([COUNT], LATENESS)
    begun = before.observe("ledger", sealed([of_amra(0, "a", number=1), of_amra(1, "a", number=2)]))
    kept: list[Kept] = begun.members

    after.restore({"ledger": begun.watermark_us or 0}, kept)
    found = after.observe("ledger", sealed([of_amra(2, "a", number=3)], first=2))

    assert [alert.seqs for alert in found.alerts] == [(0, 1, 2)]


def test_an_event_without_the_group_field_belongs_to_no_group() -> None:
    assert alerts(COUNT, [event(at, "a", number=at) for at in range(5)]) == []


def test_negative_and_meaningless_amounts_add_nothing() -> None:
    amounts = [9, -9, "many", "NaN", "Infinity", None, "0.5"]

    found = alerts(SUM, [of_amra(1, "a", number=number, x=x) for number, x in enumerate(amounts)])

    assert found == []


def test_success_before_the_failures_is_not_brute_force() -> None:
    assert alerts(IN_ORDER, [of_amra(1, "b", number=1), of_amra(2, "a", number=2)]) == []


def test_two_accounts_opened_in_one_attack_are_two_alerts_each_with_its_target() -> None:
    attack = [login(at, at, f"user{at}", "203.0.113.9", failed=at not in {3, 7}) for at in range(12)]

    found = Engine(RULES, LATENESS).observe("ledger", sealed(attack)).alerts

    assert sorted((alert.profile.detection, alert.targets.get("user.name", ())) for alert in found) == [
        ("compromised", ("user3",)), ("compromised", ("user7",)), ("stuffing", ()),
    ]


def test_an_attacked_account_that_was_not_opened_is_no_target() -> None:
    attack = [login(at, at, f"user{at}", "203.0.113.9", failed=True) for at in range(12)]

    alert, = Engine(RULES, LATENESS).observe("ledger", sealed(attack)).alerts

    assert (alert.profile.playbook, alert.targets) == (None, {})
    assert "user0" in alert.observed["user.name"]


@pytest.mark.parametrize("told", [
    {"known_device": True}, {"usual_network": True}, {"method": "totp"}, {"method": "passkey"}])
def test_the_owner_of_an_attacked_account_who_comes_as_ever_is_no_target(told: dict[str, object]) -> None:
    """Else whoever fails six times on somebody's name has their next login locked."""
    guesses = [login(at, at, "amra", f"203.0.113.{at}", failed=True) for at in range(9)]

    found = Engine(RULES, LATENESS).observe(
        "ledger", sealed([*guesses, login(20, 20, "amra", "192.0.2.1", failed=False, **told)]))

    assert not found.alerts


def test_a_colleague_behind_the_attackers_address_in_a_known_browser_is_no_target() -> None:
    attack = [login(at, at, f"user{at}", "203.0.113.9", failed=True) for at in range(12)]
    colleague = login(20, 20, "amra", "203.0.113.9", failed=False, known_device=True, usual_network=True)
    opened = login(21, 21, "user3", "203.0.113.9", failed=False, known_device=False, usual_network=True)

    alerts = Engine(RULES, LATENESS).observe("ledger", sealed([*attack, colleague, opened])).alerts

    assert [alert.targets for alert in alerts if alert.profile.playbook] == [{"user.name": ("user3",)}]


def test_a_target_is_named_as_the_event_spells_it() -> None:
    guesses = [login(at, at, "Amra", f"203.0.113.{at}", failed=True) for at in range(6)]

    alert, = Engine(RULES, LATENESS).observe(
        "ledger", sealed([*guesses, login(7, 7, "Amra", "203.0.113.1", failed=False)])).alerts

    assert (alert.profile.rule_id, alert.targets) == ("GR-002", {"user.name": ("Amra",)})


def test_no_rule_sees_our_own_alerts_unless_it_names_them() -> None:
    any_event = "title: any\nlogsource: {product: gridwarden}\ndetection: {s: {event.kind: '*'}, condition: s}"
    on_alerts = (
        "title: watch\nlogsource: {product: gridwarden}\n"
        "detection: {s: {event.action: alert_raised}, condition: s}"
    )
    told = event(0, "alert_raised", number=1)
    told_of_alert = event(1, "alert_raised", number=2, grid={"alert": {"from_alert": True}})
    engine = Engine([parse_rule(any_event, "any.yml"), parse_rule(on_alerts, "on.yml")], LATENESS)

    found = engine.observe("ledger", sealed([told, told_of_alert])).alerts

    assert [(alert.profile.title, alert.from_alert, alert.seqs) for alert in found] == [("watch", True, (0,))]


@pytest.mark.parametrize("name", ["\x00", "half \ud800", "x" * 100_000], ids=["nul", "half a pair", "endless"])
def test_hostile_values_become_storable(name: str) -> None:
    engine = Engine([COUNT], LATENESS)

    found = engine.observe("ledger", sealed(
        [event(at, "a", number=at, user={"name": name}) for at in range(3)]))

    kept = found.members[0].group[0]
    assert len(found.alerts) == 1
    assert len(kept.encode()) <= 256
    assert "\x00" not in kept


@pytest.mark.parametrize("oddity", [
    {}, {"event": None}, {"event": "x"}, {"event": {"action": ["a", "b"]}}, {"event": {"action": {"a": 1}}},
    {"@timestamp": 5}, {"@timestamp": "yesterday"}, {"@timestamp": "2026-11-21T07:00:00"}, {"Event": {"System": {}}},
    {"event": {"action": "a", "id": 5}, "user": {"name": ["x", "y"]}},
])
def test_an_odd_event_stops_nothing(oddity: Event) -> None:
    engine = Engine((*RULES, COUNT), LATENESS)

    found = engine.observe("ledger", [SealedEvent(0, START_US, oddity)])

    assert not found.errors
