"""What a loaded rule file is: base rules that judge one event, correlations that count them, profiles that alert.

A file is one rule, known by one id (GR-001); its documents are its detections. Those with a profile raise alerts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from siem_rules.domain.needs import Needs
from siem_rules.domain.patterns import Test


class CorrelationKind(StrEnum):
    """The Sigma 2.1 correlation types this engine evaluates: those that more events can only make truer."""

    EVENT_COUNT = "event_count"
    VALUE_COUNT = "value_count"
    VALUE_SUM = "value_sum"
    TEMPORAL = "temporal"
    TEMPORAL_ORDERED = "temporal_ordered"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom the response is for: a field of the group, or of the events that part `rule` contributed.

    With `rule`, each distinct value is an alert of its own: two accounts opened in one attack are two responses.
    """

    field: str
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """What an alert of this detection says about itself."""

    rule_id: str
    detection: str
    title: str
    uuid: str | None
    severity: str
    techniques: tuple[str, ...]
    description: str
    triage: str
    playbook: str | None
    target: Target | None


@dataclass(frozen=True, slots=True)
class BaseRule:
    """A compiled single-event rule."""

    name: str
    test: Test
    needs: Needs
    profile: Profile | None


@dataclass(frozen=True, slots=True)
class Correlation:
    """A compiled correlation; `fields` gives for each part the event fields behind `group_by`, aliases resolved."""

    key: str
    rule_id: str
    name: str
    kind: CorrelationKind
    parts: tuple[str, ...]
    group_by: tuple[str, ...]
    fields: Mapping[str, tuple[str, ...]]
    span_us: int
    threshold: int
    value_field: str | None
    profile: Profile | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule file, compiled; `fingerprint` is the SHA-256 of its text and names its correlation state."""

    rule_id: str
    label: str
    text: str
    fingerprint: str
    bases: tuple[BaseRule, ...]
    correlations: tuple[Correlation, ...]

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """The detections of this rule that raise alerts."""
        found = [base.profile for base in self.bases] + [correlation.profile for correlation in self.correlations]
        return tuple(profile for profile in found if profile is not None)
