"""A playbook: who may start it, what it may touch, who must agree, and its steps in order.

    version = SHA-256( canonical JSON of the file's content )

Comments and the order of keys do not make a new version.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

DEFAULT_MAX_TARGETS = 5
DEFAULT_TIMEOUT_S = 10
MAX_TIMEOUT_S = 120
MAX_STEPS = 20


class Approval(StrEnum):
    """Who must agree before the first step."""

    NONE = "none"
    ANOTHER_PERSON = "another-person"


@dataclass(frozen=True, slots=True)
class Step:
    """One connector call for each target; `params` may hold references."""

    name: str
    connector: str
    params: Mapping[str, str]
    timeout_s: int = DEFAULT_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Playbook:
    """A checked playbook; `rules` None means that an alert of any rule may start it, `people` None that anybody may.

    `content` is the canonical text that a run keeps, so that a later edit changes no run under way.
    """

    name: str
    title: str
    description: str
    rules: frozenset[str] | None
    people: frozenset[str] | None
    target_field: str
    max_targets: int
    approval: Approval
    steps: tuple[Step, ...]
    content: str

    @property
    def version_hash(self) -> str:
        """The version: what a run was planned from."""
        return sha256(self.content.encode()).hexdigest()

    def is_started_by(self, rule: str) -> bool:
        """Whether an alert of this rule may start it."""
        return self.rules is None or rule in self.rules

    def may_be_started_with(self, roles: frozenset[str]) -> bool:
        """Whether a person or service with these roles may start it."""
        return self.people is None or not self.people.isdisjoint(roles)


def canonical(document: Mapping[str, Any]) -> str:
    """Return the JSON text with sorted keys and no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
