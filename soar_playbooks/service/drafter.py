"""How a run is drafted: from an alert, or from a person's request, with its plan and the approval it waits for."""

from dataclasses import replace
from uuid import NAMESPACE_URL, uuid5

import structlog
from prometheus_client import Counter

from shared_kernel.clock import Clock
from shared_kernel.events import SealedEvent
from soar_playbooks.domain.approval import LIFETIME_US
from soar_playbooks.domain.errors import UnknownPlaybookError
from soar_playbooks.domain.opening import first_status
from soar_playbooks.domain.plan import Plan, plan_for
from soar_playbooks.domain.playbook import Playbook
from soar_playbooks.domain.run import ApprovalRecord, ApprovalState, Run, RunStatus
from soar_playbooks.domain.trigger import DETECTOR, Requester, Trigger, playbook_of, rule_of, trigger_of
from soar_playbooks.service.library import Library
from soar_playbooks.store.runs import NewRun

UNREADABLE = Counter("gridwarden_soar_alerts_unreadable", "Alerts whose shape nobody understood.")
log = structlog.get_logger()


class Drafter:
    """Drafts runs from the playbooks at hand; writes nothing."""

    def __init__(self, library: Library, clock: Clock) -> None:
        self._library, self._clock = library, clock

    def for_event(self, sealed: SealedEvent) -> NewRun | None:
        """Return the run an event asks for; an alert nobody understands is counted and never stops the others."""
        try:
            name = playbook_of(sealed.event)
            return self._for_alert(name, sealed) if name else None
        except (KeyError, TypeError, AttributeError, ValueError):
            UNREADABLE.inc()
            log.exception("alert_unreadable", seq=sealed.seq)
            return None

    def _for_alert(self, name: str, sealed: SealedEvent) -> NewRun:
        try:
            playbook = self._library.get(name)
        except UnknownPlaybookError as error:
            trigger = trigger_of(sealed.event, "", sealed.seq)
            new = self._new(_alert_run_id(name, trigger), name, Plan("", (), ()), trigger, DETECTOR)
            return NewRun(replace(new, status=RunStatus.NEEDS_HUMAN, reason=error.detail,
                                  finished_at_us=new.created_at_us), None)
        trigger = trigger_of(sealed.event, playbook.target_field, sealed.seq)
        log.info("alert_heard", playbook=name, rule=rule_of(sealed.event), seq=sealed.seq)
        return self.planned(_alert_run_id(name, trigger), playbook, trigger, DETECTOR)

    def planned(self, run_id: str, playbook: Playbook, trigger: Trigger, requester: Requester) -> NewRun:
        """Return the run with its plan; one that ends where it begins says why."""
        status, reason = first_status(playbook, trigger)
        plan = plan_for(playbook, trigger)
        run = replace(self._new(run_id, playbook.name, plan, trigger, requester), status=status, reason=reason)
        if status in {RunStatus.READY, RunStatus.WAITING_APPROVAL}:
            return NewRun(run, playbook.content, self._asked(run))
        return NewRun(replace(run, finished_at_us=run.created_at_us), playbook.content)

    def _asked(self, run: Run) -> ApprovalRecord | None:
        if run.status is not RunStatus.WAITING_APPROVAL:
            return None
        return ApprovalRecord(
            run.plan_hash, ApprovalState.PENDING, self._clock.now_us() + LIFETIME_US, run.requester.subject,
        )

    def _new(self, run_id: str, playbook: str, plan: Plan, trigger: Trigger, requester: Requester) -> Run:
        return Run(
            run_id, playbook, RunStatus.READY, trigger.reason, plan, plan.hash, requester, self._clock.now_us(),
            trigger.key, trigger.seq, trigger.alert,
        )


def _alert_run_id(playbook: str, trigger: Trigger) -> str:
    """Return the one id a run of this playbook for this alert can have."""
    return str(uuid5(NAMESPACE_URL, f"gridwarden:run/{playbook}/{trigger.key}"))
