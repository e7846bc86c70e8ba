"""Why a run starts: an alert or a person's request, reduced to what a plan depends on.

    key(alert) = SHA-256( the alert's id ), without one SHA-256( rule id, group, window start )

The detector gives the same finding the same id, so however often an alert is delivered, or raised, it is one run.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from shared_kernel.principal import Principal, PrincipalKind

MAX_TARGET_LENGTH = 256


@dataclass(frozen=True, slots=True)
class Trigger:
    """Targets and reason; `key` only for an alert, `seq` its position in the ledger.

    `unusable` counts named targets that are no printable text of 1 to 256 characters: attackers choose names too.
    """

    targets: tuple[str, ...]
    reason: str
    rule: str = ""
    alert: str = ""
    key: str | None = None
    seq: int | None = None
    unusable: int = 0


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asked: a person or service by subject, or the detector."""

    subject: str
    name: str
    is_person: bool

    @classmethod
    def from_principal(cls, principal: Principal) -> "Requester":
        """Return the requester behind a request."""
        return cls(principal.subject, principal.name, principal.kind is PrincipalKind.PERSON)


DETECTOR = Requester("siem_rules", "siem_rules", is_person=False)


def playbook_of(event: Mapping[str, Any]) -> str | None:
    """Return the playbook an event asks for, None when it is no alert or asks for none."""
    if event.get("event", {}).get("action") != "alert_raised":
        return None
    name = event.get("grid", {}).get("alert", {}).get("playbook")
    return name if isinstance(name, str) and name else None


def rule_of(event: Mapping[str, Any]) -> str:
    """Return the id of the rule that raised an alert."""
    return _printable(str(event.get("rule", {}).get("id", "")))


def trigger_of(event: Mapping[str, Any], field: str, seq: int) -> Trigger:
    """Return what an alert asks: targets are those it names in `field`, else its group's value of that field."""
    alert, rule = event["grid"]["alert"], event.get("rule", {})
    named = alert.get("targets", {}).get(field)
    found = named if named is not None else alert.get("group", {}).get(field, [])
    candidates = found if isinstance(found, list) else [found]
    return Trigger(
        targets=distinct(candidates), unusable=sum(not is_usable(value) for value in candidates),
        reason=_printable(f"{rule_of(event)} {rule.get('name', '')}"), rule=rule_of(event),
        alert=_printable(str(alert.get("id", ""))), key=_key(event), seq=seq,
    )


def distinct(values: Sequence[object]) -> tuple[str, ...]:
    """Return the usable texts among values, each once, in order."""
    return tuple(dict.fromkeys(value for value in values if isinstance(value, str) and is_usable(value)))


def is_usable(value: object) -> bool:
    """Whether a value can name a target."""
    return isinstance(value, str) and 0 < len(value) <= MAX_TARGET_LENGTH and value.isprintable()


def _printable(text: str) -> str:
    return "".join(filter(str.isprintable, text)).strip()[:500]


def _key(event: Mapping[str, Any]) -> str:
    alert = event["grid"]["alert"]
    identity = alert.get("id") or [rule_of(event), alert.get("group", {}), alert.get("window_start")]
    return sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
