"""Tells the ledger what detection found and which rules run; an alert it could not tell is told later, once."""

import asyncio

import structlog

from shared_kernel.clock import Clock
from shared_kernel.errors import UnavailableError
from shared_kernel.events import EventReader, Recorder, security_event
from siem_rules.service.metrics import UNSEALED
from siem_rules.service.rule_folder import RuleSet
from siem_rules.store.alerts import AlertStore

_AT_ONCE = 500
_log = structlog.get_logger()


class Announcer:
    """Seals `alert_raised`, `rules_loaded` and `rule_error`.

    An alert is sealed after it was committed, as the very event that was stored with it. A crash between sealing and
    marking leaves it unmarked: then `reader` is asked what the ledger has, before anything is sealed again.
    """

    def __init__(self, alerts: AlertStore, recorder: Recorder, clock: Clock, reader: EventReader | None) -> None:
        self._alerts, self._recorder, self._clock, self._reader = alerts, recorder, clock, reader
        self._one_at_a_time = asyncio.Lock()
        self._doubtful = True

    def doubt(self) -> None:
        """Ask the ledger before the next sealing: somebody else may have sealed what is not marked."""
        self._doubtful = True

    async def seal_pending(self) -> int:
        """Seal what is not sealed yet, oldest first; answer how many. After UnavailableError call again."""
        async with self._one_at_a_time:
            pending = await self._alerts.unsealed(_AT_ONCE)
            UNSEALED.set(len(pending))
            known = await self._known() if pending and self._doubtful else {}
            self._doubtful = True
            for alert in pending:
                seq = known.get(alert.alert_id)
                if seq is None:
                    seq = (await self._recorder.record(alert.event)).seq
                await self._alerts.mark_sealed(alert.alert_id, seq)
            self._doubtful = False
            UNSEALED.set(0)
        return len(pending)

    async def seal_quietly(self) -> None:
        """Seal what is pending; when the ledger cannot take it now, leave it for the next round."""
        try:
            await self.seal_pending()
        except UnavailableError as lost:
            _log.warning("alerts_not_sealed", reason=lost.detail)

    async def tell_rules(self, before: RuleSet | None, now: RuleSet) -> None:
        """Seal which rules run from here on, and each file that newly does not."""
        old = before.fingerprints if before else frozenset()
        known = set(before.broken) if before else set()
        for broken in now.broken:
            if broken not in known:
                await self._recorder.record(security_event(
                    self._clock, "rule_error", category="configuration", types=("error",), outcome="failure",
                    reason=broken.reason, file={"path": broken.label},
                ))
        await self._recorder.record(security_event(
            self._clock, "rules_loaded", category="configuration", types=("change",),
            grid={"rules": {
                "loaded": len(now.rules), "broken": len(now.broken),
                "added": sorted(rule.rule_id for rule in now.rules if rule.fingerprint not in old),
                "removed": sorted(rule.rule_id for rule in before.rules if rule.fingerprint not in now.fingerprints)
                if before else [],
            }},
        ))

    async def _known(self) -> dict[str, int]:
        """Return the latest alerts in the ledger: their id and where they stand."""
        if self._reader is None:
            return {}
        found = await self._reader.find(action="alert_raised", limit=_AT_ONCE)
        return {sealed.event["event"]["id"]: sealed.seq for sealed in found}
