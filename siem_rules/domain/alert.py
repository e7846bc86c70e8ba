"""An alert: its key (what makes it one), its reasons, and the event that tells the others.

    key = rule / detection | source | group | slot          slot = the event id for a rule over single events

The key names the alert's id, so the same finding is the same alert on every replay.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared_kernel.clock import Clock, to_iso
from shared_kernel.events import Event, security_event
from siem_rules.domain.rule import Correlation, Profile
from siem_rules.domain.window import Completion

MAX_EVIDENCE = 50
_quoted = json.JSONEncoder(ensure_ascii=False).encode
_NAMESPACE = uuid.UUID("6f0a1f0e-7a5e-5c1e-9a40-5f6c1d0a77c2")
_RELATED = {"user.name": "user", "user.id": "user", "source.ip": "ip"}


class Status(StrEnum):
    """Where the people are with an alert."""

    NEW = "New"
    IN_PROGRESS = "In progress"
    CLOSED = "Closed"


TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.NEW: frozenset({Status.IN_PROGRESS, Status.CLOSED}),
    Status.IN_PROGRESS: frozenset({Status.NEW, Status.CLOSED}),
    Status.CLOSED: frozenset({Status.IN_PROGRESS}),
}


@dataclass(frozen=True, slots=True)
class Alert:
    """A finding as the engine makes it."""

    key: str
    profile: Profile
    source: str
    group: Mapping[str, str]
    window_start_us: int
    window_end_us: int
    why: str
    seqs: tuple[int, ...]
    targets: Mapping[str, tuple[str, ...]]
    observed: Mapping[str, tuple[str, ...]]
    from_alert: bool = False

    @property
    def alert_id(self) -> str:
        """The same for the same key, always."""
        return str(uuid.uuid5(_NAMESPACE, self.key))

    def to_event(self, clock: Clock) -> Event:
        """Return the `alert_raised` event."""
        profile = self.profile
        return security_event(
            clock, "alert_raised", kind="alert", category="intrusion_detection", event_id=self.alert_id,
            reason=self.why,
            rule={"id": profile.rule_id, "name": profile.title} | ({"uuid": profile.uuid} if profile.uuid else {}),
            grid={"alert": self._section()}, related=_related(self.group, self.targets),
            threat={"technique": {"id": list(profile.techniques)}},
        )

    def _section(self) -> dict[str, Any]:
        profile = self.profile
        return {
            "id": self.alert_id, "detection": profile.detection, "severity": profile.severity,
            "group": dict(self.group), "window_start": to_iso(self.window_start_us),
            "window_end": to_iso(self.window_end_us), "playbook": profile.playbook, "why": self.why,
            "evidence": [{"source": self.source, "seq": seq} for seq in self.seqs[-MAX_EVIDENCE:]],
            "evidence_total": len(self.seqs), "targets": {name: list(values) for name, values in self.targets.items()},
            "observed": {name: list(values) for name, values in self.observed.items()},
            "from_alert": self.from_alert,
        }


def _related(*sections: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return ECS's `related`: every user and address the alert is about."""
    found: dict[str, set[str]] = {}
    for section in sections:
        for name, values in section.items():
            if name in _RELATED:
                found.setdefault(_RELATED[name], set()).update([values] if isinstance(values, str) else values)
    return {name: sorted(values) for name, values in sorted(found.items())}


def single_alert(  # noqa: PLR0913 - one keyword a column of the finding
    profile: Profile, *, source: str, seq: int, event_id: str, at_us: int, facts: Mapping[str, str], from_alert: bool,
) -> Alert:
    """Return the alert of a rule that judged one event."""
    why = f"{profile.rule_id} ({profile.title}): one event matched, {source} entry {seq}."
    return Alert(
        key=f"{profile.rule_id}/{profile.detection}|{source}|{event_id}", profile=profile, source=source, group=facts,
        window_start_us=at_us, window_end_us=at_us, why=why, seqs=(seq,), targets={}, observed={},
        from_alert=from_alert,
    )


def slot_key(correlation: Correlation, source: str, group: tuple[str, ...], *, target: str | None, at_us: int) -> str:
    """Return the key of the alert that a completion at this event time belongs to."""
    profile = correlation.profile
    named = f"{profile.rule_id}/{profile.detection}" if profile else correlation.name
    whom = [*group, target] if target is not None else list(group)
    return f"{named}|{source}|[{', '.join(map(_quoted, whom))}]|{at_us // correlation.span_us}"


def correlation_alert(  # noqa: PLR0913 - one keyword a column of the finding
    correlation: Correlation, profile: Profile, done: Completion, *, source: str, group: tuple[str, ...], key: str,
) -> Alert:
    """Return the alert of a completed window."""
    named = dict(zip(correlation.group_by, group, strict=True))
    targets = _targets(correlation, profile, done, named)
    about = ", ".join(f"{field}={value}" for field, value in named.items()) or "all events together"
    whom = f"; target {profile.target.field}={done.target}" if profile.target and done.target else ""
    return Alert(
        key=key, profile=profile, source=source, group=named | _own_target(profile, done),
        window_start_us=done.members[0].at_us, window_end_us=done.end_us,
        why=(f"{profile.rule_id} ({profile.title}): {done.reached} within {correlation.span_us // 1_000_000} s "
             f"for {about} (threshold {correlation.threshold}){whom}."),
        seqs=_distinct(seq for member in done.members for seq in member.seqs), targets=targets,
        observed=_observed(correlation, done),
        from_alert=any(member.facts.get("event.action") == "alert_raised" for member in done.members),
    )


def _own_target(profile: Profile, done: Completion) -> dict[str, str]:
    return {profile.target.field: done.target} if profile.target and done.target else {}


def _targets(
    correlation: Correlation, profile: Profile, done: Completion, named: Mapping[str, str],
) -> dict[str, tuple[str, ...]]:
    """Return whom the response is for: the target field, and the user's id where an event tells it."""
    if profile.target is None:
        return {}
    field = profile.target.field
    value = done.target if done.target is not None else _as_written(field, named[field], done)
    part = profile.target.rule or correlation.parts[-1]
    ids = {member.facts["user.id"] for member in done.members
           if member.part == part and member.facts.get(field) == value and "user.id" in member.facts}
    return {field: (value,)} | ({"user.id": tuple(sorted(ids))} if ids and field != "user.id" else {})


def _as_written(field: str, value: str, done: Completion) -> str:
    """Return a group's value as the event spells it: groups are compared in lower case, names need not be."""
    written = done.members[-1].facts.get(field, value)
    return written if written.lower() == value else value


def _observed(correlation: Correlation, done: Completion) -> dict[str, tuple[str, ...]]:
    """Return the values a value_count counted, at most MAX_EVIDENCE of them."""
    if correlation.value_field is None or correlation.kind != "value_count":
        return {}
    values = sorted({member.value for member in done.members if member.value is not None})
    return {correlation.value_field: tuple(values[:MAX_EVIDENCE])}


def _distinct(seqs: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(set(seqs)))
