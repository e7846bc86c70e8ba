"""How a run begins: its first status follows from the playbook, the trigger and the blast radius, from nothing else."""

from soar_playbooks.domain.errors import TooManyTargetsError
from soar_playbooks.domain.playbook import Approval, Playbook
from soar_playbooks.domain.run import RunStatus
from soar_playbooks.domain.trigger import Trigger

UNUSABLE = "the alert names a target that is no printable text of 1 to 256 characters: read the alert"
NOTHING_TO_DO = "nothing to do: the alert names no target"


def first_status(playbook: Playbook, trigger: Trigger) -> tuple[RunStatus, str]:
    """Return the status a planned run opens with, and the sentence why."""
    if trigger.key is not None and not playbook.is_started_by(trigger.rule):
        return RunStatus.NEEDS_HUMAN, f"the playbook does not let the rule {trigger.rule!r} start it: see start.rules"
    if trigger.unusable:
        return RunStatus.NEEDS_HUMAN, UNUSABLE
    if not trigger.targets:
        return RunStatus.DONE, NOTHING_TO_DO
    if len(trigger.targets) > playbook.max_targets:
        return RunStatus.NEEDS_HUMAN, str(TooManyTargetsError(len(trigger.targets), playbook.max_targets))
    if playbook.approval is Approval.ANOTHER_PERSON:
        return RunStatus.WAITING_APPROVAL, trigger.reason
    return RunStatus.READY, trigger.reason
