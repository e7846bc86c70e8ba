"""The analysts' side of alerts: look, and move them along with the move sealed before it stands."""

from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext
from shared_kernel.events import Recorder, security_event
from siem_rules.domain.alert import Status
from siem_rules.domain.errors import UnexplainedClosureError
from siem_rules.store.alerts import AlertFilter, AlertStore, StatusChange, StoredAlert


class AlertQueue:
    """Lists alerts and changes their status."""

    def __init__(self, alerts: AlertStore, recorder: Recorder, clock: Clock) -> None:
        self._alerts, self._recorder, self._clock = alerts, recorder, clock

    async def find(self, wanted: AlertFilter, limit: int) -> list[StoredAlert]:
        """Return at most `limit` alerts, newest first."""
        return await self._alerts.find(wanted, limit)

    async def get(self, alert_id: str) -> StoredAlert:
        """Return one alert; raise UnknownAlertError."""
        return await self._alerts.get(alert_id)

    async def change_status(
        self, alert_id: str, status: Status, *, reason: str | None, context: RequestContext,
    ) -> StoredAlert:
        """Move an alert; whoever moves it owns it. Closing needs a reason."""
        explained = (reason or "").strip() or None
        if status is Status.CLOSED and explained is None:
            raise UnexplainedClosureError
        change = StatusChange(alert_id, status, explained, context.principal.name, self._clock.now_us())

        async def seal(changed: StoredAlert) -> None:
            await self._recorder.record(security_event(
                self._clock, "alert_status_changed", category="intrusion_detection", types=("change",),
                reason=explained, context=context, rule={"id": changed.rule_id},
                grid={"alert": {"id": alert_id, "status": status.value}},
            ))

        return await self._alerts.change_status(change, seal)
