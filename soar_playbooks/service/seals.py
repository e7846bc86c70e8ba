"""What the response seals, and when: before the step, before the answer, before the status."""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext
from shared_kernel.events import Event, Recorder, security_event
from soar_playbooks.domain.plan import Call, idempotency_key
from soar_playbooks.domain.run import Run, RunStatus, Switch

_OUTCOMES = {RunStatus.DONE: "success", RunStatus.READY: "success", RunStatus.WAITING_APPROVAL: "success"}


class Seals:
    """Writes the house's events; one that a crash made us write again keeps its id."""

    def __init__(self, recorder: Recorder, clock: Clock) -> None:
        self._recorder, self._clock = recorder, clock

    async def started(self, run: Run, context: RequestContext | None = None) -> None:
        """Seal that a run begins."""
        await self._seal("playbook_run_started", run, types=("start",), reason=run.reason, context=context)

    async def finished(self, run: Run, status: RunStatus, reason: str) -> None:
        """Seal that a run ends, and how."""
        await self._seal(
            "playbook_run_finished", run, types=("end",), outcome=_OUTCOMES.get(status, "failure"), reason=reason,
            mark=status, status=status,
        )

    async def approval(
        self, action: str, run: Run, *, reason: str = "", by: str | None = None, context: RequestContext | None = None,
    ) -> None:
        """Seal that an approval was requested, granted or denied."""
        outcome = "failure" if action == "approval_denied" else "success"
        await self._seal(action, run, outcome=outcome, reason=reason, context=context, decided_by=by)

    async def intended(self, run: Run, call: Call, attempt: int) -> None:
        """Seal what is about to be done."""
        await self._step("playbook_step_intended", run, call, mark=str(attempt))

    async def done(self, run: Run, call: Call) -> None:
        """Seal that a step took effect."""
        await self._step("playbook_step_done", run, call)

    async def failed(self, run: Run, call: Call, reason: str, attempt: int) -> None:
        """Seal that a step did not take effect, or that nobody knows."""
        await self._step("playbook_step_failed", run, call, outcome="failure", reason=reason, mark=str(attempt))

    async def switched(self, switch: Switch, context: RequestContext | None) -> None:
        """Seal that a kill switch is turned."""
        event = security_event(
            self._clock, "kill_switch_changed", category="configuration", types=("change",), context=context,
            reason=switch.reason, grid={"kill_switch": {"scope": switch.scope, "on": switch.is_on}},
        )
        await self._recorder.record(event)

    async def _step(self, action: str, run: Run, call: Call, *, mark: str = "", **about: Any) -> None:  # noqa: ANN401 - passed on
        key = idempotency_key(run.run_id, call)
        await self._seal(
            action, run, mark=f"{key}/{mark}", step=call.step, connector=call.connector, targets=[call.target],
            idempotency_key=key, **about,
        )

    async def _seal(  # noqa: PLR0913 - an event's fields
        self, action: str, run: Run, *, types: tuple[str, ...] = ("info",), outcome: str = "success",
        reason: str | None = None, context: RequestContext | None = None, mark: str = "", **about: Any,  # noqa: ANN401 - grid.playbook is open
    ) -> None:
        event: Event = security_event(
            self._clock, action, category="process", types=types, outcome=outcome, reason=reason, context=context,
            event_id=str(uuid5(NAMESPACE_URL, f"gridwarden:{run.run_id}/{action}/{mark}")),
            grid={"playbook": {
                "name": run.playbook, "version_hash": run.plan.version_hash, "run_id": run.run_id,
                "plan_hash": run.plan_hash, "targets": list(run.plan.targets), "requested_by": run.requester.subject,
                "alert": {"id": run.alert_id, "seq": run.alert_seq} if run.alert_key else None, **about,
            }},
        )
        await self._recorder.record(event)
