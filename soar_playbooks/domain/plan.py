"""The plan: every connector call a run will make, a pure function of a playbook's version and its trigger.

    plan hash       = SHA-256( canonical JSON of the version and the calls )
    idempotency key = SHA-256( run / step / iteration )

The calls go target by target, and for each target step by step.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from soar_playbooks.domain.playbook import Playbook, canonical
from soar_playbooks.domain.template import filled
from soar_playbooks.domain.trigger import Trigger


@dataclass(frozen=True, slots=True)
class Call:
    """One connector call: `iteration` is the target's position."""

    step: str
    connector: str
    target: str
    iteration: int
    params: Mapping[str, str]
    timeout_s: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The calls in order, target by target."""

    version_hash: str
    targets: tuple[str, ...]
    calls: tuple[Call, ...]

    @property
    def content(self) -> str:
        """The canonical text an approval is bound to."""
        return canonical({"version": self.version_hash, "targets": list(self.targets),
                          "calls": [asdict(call) for call in self.calls]})

    @property
    def hash(self) -> str:
        """SHA-256 of the content."""
        return sha256(self.content.encode()).hexdigest()

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Plan":
        """Return the plan a run has stored."""
        return cls(document["version"], tuple(document["targets"]), tuple(Call(**call) for call in document["calls"]))


def plan_for(playbook: Playbook, trigger: Trigger) -> Plan:
    """Return the plan: for each target, each step."""
    def call(index: int, target: str) -> list[Call]:
        values = {"target": target, "reason": trigger.reason, "rule": trigger.rule, "alert": trigger.alert}
        return [
            Call(step.name, step.connector, target, index,
                 {key: filled(text, values) for key, text in step.params.items()}, step.timeout_s)
            for step in playbook.steps
        ]

    calls = tuple(made for index, target in enumerate(trigger.targets) for made in call(index, target))
    return Plan(playbook.version_hash, trigger.targets, calls)


def idempotency_key(run_id: str, call: Call) -> str:
    """Return the key under which this call takes effect at most once."""
    return sha256(f"{run_id}/{call.step}/{call.iteration}".encode()).hexdigest()
