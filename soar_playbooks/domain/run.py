"""A run and its parts as they are kept."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from soar_playbooks.domain.plan import Plan
from soar_playbooks.domain.trigger import Requester


class RunStatus(StrEnum):
    """Where a run stands; all but the first two are ends."""

    READY = "ready"
    WAITING_APPROVAL = "waiting_approval"
    DONE = "done"
    FAILED = "failed"
    NEEDS_HUMAN = "needs_human"
    DENIED = "denied"
    EXPIRED = "expired"
    STOPPED = "stopped"


class StepState(StrEnum):
    """Where a call stands; INTENDED without an outcome is what a crash leaves behind."""

    PLANNED = "planned"
    INTENDED = "intended"
    DONE = "done"
    FAILED = "failed"
    NEEDS_HUMAN = "needs_human"


class ApprovalState(StrEnum):
    """Where an approval stands."""

    PENDING = "pending"
    GRANTED = "granted"
    DENIED = "denied"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one playbook version."""

    run_id: str
    playbook: str
    status: RunStatus
    reason: str
    plan: Plan
    plan_hash: str
    requester: Requester
    created_at_us: int
    alert_key: str | None = None
    alert_seq: int | None = None
    alert_id: str = ""
    number: int = 0
    finished_at_us: int | None = None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One call of a run as far as it got: `attempts` ended badly, `resumptions` were cut off by a crash."""

    position: int
    state: StepState
    attempts: int = 0
    resumptions: int = 0
    result: Mapping[str, Any] | None = None
    error: str | None = None
    intended_at_us: int | None = None
    finished_at_us: int | None = None


@dataclass(frozen=True, slots=True)
class ApprovalRecord:
    """A pending or decided approval, bound to one plan."""

    plan_hash: str
    state: ApprovalState
    expires_at_us: int
    requested_by: str
    decided_by: str | None = None
    decided_by_name: str | None = None
    decided_at_us: int | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of the journal."""

    seq: int
    position: int | None
    what: str
    at_us: int
    detail: str


@dataclass(frozen=True, slots=True)
class Switch:
    """A kill switch: `global` or `playbook:<name>`."""

    scope: str
    is_on: bool
    set_by: str
    reason: str
    set_at_us: int


GLOBAL_SCOPE = "global"
_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SCOPE = re.compile(r"global|playbook:[a-z][a-z0-9_-]{0,62}")


def is_run_id(text: str) -> bool:
    """Whether a text looks like a run's id."""
    return _RUN_ID.fullmatch(text) is not None


def is_scope(text: str) -> bool:
    """Whether a text names a kill switch."""
    return _SCOPE.fullmatch(text) is not None


def scopes_of(playbook: str) -> tuple[str, str]:
    """Return the switches that stop a playbook."""
    return GLOBAL_SCOPE, f"playbook:{playbook}"
