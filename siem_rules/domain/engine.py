"""The detection engine: sealed events in, alerts and the state that must be kept with them out. Pure; one writer.

Each source is its own stream: a correlation joins events of one source. The engine changes in `observe`; when the
caller cannot keep what it returned, the engine is to be thrown away and restored from what was kept before.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from shared_kernel.events import SealedEvent
from siem_rules.domain.alert import MAX_EVIDENCE, Alert, correlation_alert, single_alert, slot_key
from siem_rules.domain.event_time import EventTimes, Lateness
from siem_rules.domain.index import RuleIndex
from siem_rules.domain.rule import BaseRule, Correlation, Rule
from siem_rules.domain.view import View, lookup, storable
from siem_rules.domain.window import Completion, Group, Member, completions
from siem_rules.domain.windows_event import flattened, is_windows_event

OWN_ACTIONS = frozenset({"alert_raised", "alert_status_changed", "rules_loaded", "rule_error"})
"""What this house itself seals: only rules that name such an action outright see it, so no rule feeds itself."""

EVICTION_STEP_US = 10_000_000
_KEPT_TYPES = (str, int)
_FACTS = ("user.name", "user.id", "source.ip")

GroupKey = tuple[str, ...]


class Kept(NamedTuple):
    """A member and the group it belongs to: one row of correlation state."""

    correlation: str
    source: str
    group: GroupKey
    member: Member


@dataclass(slots=True)
class Findings:
    """What one batch brought; all of it must be kept together with the source's position."""

    alerts: list[Alert] = field(default_factory=list)
    members: list[Kept] = field(default_factory=list)
    horizons: dict[str, int] = field(default_factory=dict)
    watermark_us: int | None = None
    late: int = 0
    errors: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class OpenState:
    """What the engine remembers between batches: open windows, slots that alerted, watermarks."""

    groups: dict[tuple[str, str, GroupKey], Group] = field(default_factory=dict)
    fired: dict[str, int] = field(default_factory=dict)
    watermarks: dict[str, int] = field(default_factory=dict)


class _Sighting:
    """One event that some rule may match: where and when it was seen, and, once one does, what is kept of it."""

    __slots__ = ("at_us", "event_id", "facts", "late", "of_alert", "seq", "source", "view")

    def __init__(self, source: str, seq: int, view: View, at_us: int, late: bool) -> None:  # noqa: FBT001 - hot path
        self.source, self.seq, self.view, self.at_us, self.late = source, seq, view, at_us, late
        self.facts: dict[str, str] | None = None
        self.event_id, self.of_alert = "", False

    def learn(self, names: Iterable[str]) -> None:
        """Read what alerts and correlations keep of the event: its id, which a redelivery repeats, and the facts."""
        event = self.view.event
        given = lookup(event, "event.id")
        self.event_id = storable(given) if isinstance(given, str) else f"{self.source}:{self.seq}"
        self.facts = {name: storable(str(value)) for name in names
                      if isinstance(value := lookup(event, name), _KEPT_TYPES)}
        self.of_alert = lookup(event, "event.action") == "alert_raised"
        if self.of_alert:
            self.facts["event.action"] = "alert_raised"


class Engine:
    """Holds the compiled rules and the open state; one batch at a time."""

    def __init__(self, rules: Iterable[Rule], lateness: Lateness) -> None:
        self.rules = tuple(rules)
        self._lateness = lateness
        self._index = RuleIndex(self.rules)
        self._correlations = {item.key: item for rule in self.rules for item in rule.correlations}
        self._feeds = _feeds(self.rules)
        self._facts = _FACTS + tuple(sorted(
            {profile.target.field for rule in self.rules for profile in rule.profiles if profile.target} - {*_FACTS},
        ))
        self.state = OpenState()
        self._evicted_to: dict[str, int] = {}
        self._times = EventTimes()
        self._findings = Findings()

    @property
    def correlation_keys(self) -> frozenset[str]:
        """The names under which this engine's correlation state is kept."""
        return frozenset(self._correlations)

    @property
    def remembered(self) -> int:
        """How many groups have open windows."""
        return len(self.state.groups)

    def restore(self, watermarks: Mapping[str, int], members: Iterable[Kept]) -> None:
        """Take back the state that was kept; members of rules that are gone or changed are left out."""
        self.state.watermarks.update(watermarks)
        for kept in members:
            if kept.correlation in self._correlations:
                self._group(kept.correlation, kept.source, kept.group).add(kept.member)

    def adopt(self, older: "Engine") -> None:
        """Take over the state of the rules that did not change."""
        groups = {name: group for name, group in older.state.groups.items() if name[0] in self._correlations}
        self.state = OpenState(groups, dict(older.state.fired), dict(older.state.watermarks))

    def observe(self, source: str, events: Iterable[SealedEvent]) -> Findings:
        """Judge events of one source, in any order within its lateness."""
        self._findings = findings = Findings()
        lateness_us, time_of = self._lateness.of(source), self._times.of
        opening = self.state.watermarks.get(source)
        latest = opening + lateness_us if opening is not None else None
        for sealed in events:
            event = sealed.event
            if "Event" in event and is_windows_event(event):
                event = flattened(event)
            at_us = time_of(event, sealed, lateness_us)
            if latest is None or at_us > latest:
                latest = at_us
            if self._index.passes_by(event):
                continue
            view = View(event)
            candidates = self._candidates(view)
            if candidates:
                late = opening is not None and at_us < opening
                self._judge(_Sighting(source, sealed.seq, view, at_us, late), candidates)
        if latest is not None:
            self._advance(source, latest - lateness_us)
            findings.watermark_us = self.state.watermarks[source]
        return findings

    def _judge(self, sighting: "_Sighting", candidates: Iterable[tuple[Rule, BaseRule]]) -> None:
        for rule, base in candidates:
            try:
                if base.test(sighting.view):
                    self._matched(sighting, rule, base)
            except Exception:  # noqa: BLE001 - one rule's trouble with one event must not stop the others; it is counted
                self._findings.errors[rule.rule_id] += 1

    def _candidates(self, view: View) -> Iterable[tuple[Rule, BaseRule]]:
        section = view.event.get("event")
        action = section.get("action") if section.__class__ is dict else None
        if action.__class__ is not str or action not in OWN_ACTIONS:
            return self._index.candidates(view)
        return () if view.raw("grid.alert.from_alert") is True else self._index.naming_action(view)

    def _matched(self, sighting: "_Sighting", rule: Rule, base: BaseRule) -> None:
        if sighting.facts is None:
            sighting.learn(self._facts)
        if base.profile is not None:
            self._findings.alerts.append(single_alert(
                base.profile, source=sighting.source, seq=sighting.seq, event_id=sighting.event_id,
                at_us=sighting.at_us, facts=sighting.facts or {}, from_alert=sighting.of_alert,
            ))
        for correlation in self._feeds.get((rule.rule_id, base.name), ()):
            self._contribute(correlation, base.name, sighting)

    def _contribute(self, correlation: Correlation, part: str, sighting: "_Sighting") -> None:
        """Add an event to its group; one that lacks a group field, or comes late, belongs to none."""
        if sighting.late:
            self._findings.late += 1
            return
        view = sighting.view
        group = tuple([
            storable(text) for name in correlation.fields[part] if isinstance(text := view.text(name), str)
        ])
        if len(group) == len(correlation.group_by):
            self._feed(correlation, sighting.source, group, Member(
                sighting.at_us, sighting.event_id, part, _value(view, correlation), (sighting.seq,),
                sighting.facts or {}))

    def _feed(self, correlation: Correlation, source: str, group: GroupKey, member: Member) -> None:
        if correlation.value_field is not None and member.value is None:
            return
        window = self._group(correlation.key, source, group)
        if not window.add(member):
            return
        self._findings.members.append(Kept(correlation.key, source, group, member))
        for end_us in window.ends(member, correlation.span_us):
            self._evaluate(correlation, source, group, end_us, window)

    def _evaluate(
        self, correlation: Correlation, source: str, group: GroupKey, end_us: int, window: Group,
    ) -> None:
        if not window.reaches(correlation, end_us):
            return
        parents = self._feeds.get((correlation.rule_id, correlation.name), ())
        each = correlation.profile is not None and correlation.profile.target is not None
        if not parents and not each and slot_key(
                correlation, source, group, target=None, at_us=end_us) in self.state.fired:
            return
        for done in completions(correlation, end_us, window.window(end_us, correlation.span_us)):
            key = slot_key(correlation, source, group, target=done.target, at_us=end_us)
            if correlation.profile is not None and key not in self.state.fired:
                self.state.fired[key] = (end_us // correlation.span_us + 1) * correlation.span_us
                self._findings.alerts.append(correlation_alert(
                    correlation, correlation.profile, done, source=source, group=group, key=key))
            for parent in parents:
                self._raise_to(parent, correlation, source, group, done)

    def _raise_to(
        self, parent: Correlation, child: Correlation, source: str, group: GroupKey, done: Completion,
    ) -> None:
        """Let a completed correlation count as one event, at its time, of the correlation above it."""
        named = dict(zip(child.group_by, group, strict=True))
        seqs = tuple(seq for member in done.members for seq in member.seqs)[-MAX_EVIDENCE:]
        value = named.get(parent.value_field) if parent.value_field else None
        member = Member(done.end_us, f"{child.name}@{done.end_us}", child.name, value, seqs, named)
        self._feed(parent, source, tuple(named[name] for name in parent.fields[child.name]), member)

    def _group(self, correlation: str, source: str, group: GroupKey) -> Group:
        name = (correlation, source, group)
        found = self.state.groups.get(name)
        if found is None:
            found = self.state.groups[name] = Group()
        return found

    def _advance(self, source: str, watermark_us: int) -> None:
        """Move the watermark forward and forget what no event can reach any more."""
        self.state.watermarks[source] = max(watermark_us, self.state.watermarks.get(source, watermark_us))
        if self.state.watermarks[source] < self._evicted_to.get(source, 0) + EVICTION_STEP_US:
            return
        mark = self._evicted_to[source] = self.state.watermarks[source]
        self._findings.horizons = {item.key: mark - item.span_us for item in self._correlations.values()}
        for name, group in list(self.state.groups.items()):
            if name[1] == source:
                group.evict(self._findings.horizons[name[0]])
                if group.is_empty():
                    del self.state.groups[name]
        oldest = min(self.state.watermarks.values())
        self.state.fired = {key: ends for key, ends in self.state.fired.items() if ends > oldest}


def _feeds(rules: Iterable[Rule]) -> Mapping[tuple[str, str], tuple[Correlation, ...]]:
    """Return for each part (rule, document) the correlations it feeds."""
    found: dict[tuple[str, str], list[Correlation]] = {}
    for rule in rules:
        for correlation in rule.correlations:
            for part in dict.fromkeys(correlation.parts):
                found.setdefault((rule.rule_id, part), []).append(correlation)
    return {name: tuple(correlations) for name, correlations in found.items()}


def _value(view: View, correlation: Correlation) -> str | None:
    text = view.text(correlation.value_field) if correlation.value_field else None
    return storable(text) if isinstance(text, str) else None
