"""The Detector: consumes sources, keeps position, windows and alerts in one transaction, reloads rules as it runs."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import structlog

from shared_kernel.clock import Clock
from shared_kernel.errors import UnavailableError
from shared_kernel.events import EventReader, Recorder, SealedEvent
from siem_rules.domain.alert import Alert
from siem_rules.domain.engine import Engine, Findings
from siem_rules.domain.errors import UnknownRuleError
from siem_rules.domain.event_time import Lateness
from siem_rules.domain.rule import Rule
from siem_rules.service import metrics
from siem_rules.service.announcer import Announcer
from siem_rules.service.rule_folder import BrokenFile, RuleFolders, RuleSet
from siem_rules.store.alerts import AlertStore
from siem_rules.store.progress import Batch, NewAlert, ProgressStore, SourceProgress

POLL_S = 1.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DetectionStatus:
    """How detection is doing: what it has read, what it waits for, and what does not work."""

    sources: tuple[SourceProgress, ...]
    rules: int
    broken: tuple[BrokenFile, ...]
    rule_errors: dict[str, int]
    open_groups: int


class Detector:
    """Implements Subscriber. `start` first; `run` is a task that ends when cancelled.

    What `observe` keeps is one transaction; when that fails the engine is thrown away and restored from the store,
    so memory never knows more than the database. Alerts are sealed right after; sealing that fails is retried by
    `run` and by the next `start`.
    """

    def __init__(  # noqa: PLR0913 - its collaborators
        self, progress: ProgressStore, alerts: AlertStore, *, folders: Sequence[Path], recorder: Recorder, clock: Clock,
        reader: EventReader | None = None, lateness: Lateness | None = None,
    ) -> None:
        self._progress, self._clock = progress, clock
        self._folders = RuleFolders(folders)
        self._lateness = lateness or Lateness()
        self._announcer = Announcer(alerts, recorder, clock, reader)
        self._ruleset: RuleSet | None = None
        self._told: RuleSet | None = None
        self._engine: Engine | None = None
        self._positions: dict[str, int] = {}
        self._errors: Counter[str] = Counter()
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Load the rules, take back the kept state, and seal what a crash, or who detected before, left unsealed."""
        self._told = None
        await self.reload()
        async with self._turn:
            self._engine = None  # others may have detected since
            engine = await self._restored()
            await self._progress.forget_rules(engine.correlation_keys)
        self._announcer.doubt()
        await self._announcer.seal_quietly()

    async def run(self) -> NoReturn:
        """Look at the rule folders once a second, and retry sealing."""
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self.reload()
                await self._announcer.seal_pending()
            except UnavailableError as lost:
                _log.warning("detection_waits", reason=lost.detail)

    async def reload(self, *, is_telling: bool = True) -> bool:
        """Take up what the folders hold now; answer whether anything changed. Windows of unchanged rules stay open.

        Who only looks on while another process detects does not tell the ledger.
        """
        found = await asyncio.to_thread(self._folders.read)
        async with self._turn:
            if is_telling and self._told != found:
                await self._announcer.tell_rules(self._told, found)
                self._told = found
            if self._ruleset == found:
                return False
            engine = Engine(found.rules, self._lateness)
            if self._engine is not None:
                engine.adopt(self._engine)
                await self._progress.forget_rules(engine.correlation_keys)
                self._engine = engine
            self._ruleset = found
        metrics.RULES.labels("loaded").set(len(found.rules))
        metrics.RULES.labels("broken").set(len(found.broken))
        return True

    async def position(self, source: str) -> int:
        """Return the next `seq` wanted from a source."""
        async with self._turn:
            await self._restored()
            return self._positions.get(source, 0)

    async def observe(self, source: str, events: list[SealedEvent]) -> None:
        """Judge events; when this returns, their position, windows and alerts are durable."""
        async with self._turn:
            raised = await self._consume(source, events)
        if raised:
            await self._announcer.seal_quietly()

    async def status(self) -> DetectionStatus:
        """Return how detection is doing."""
        sources = await self._progress.sources()
        ruleset = self._ruleset or RuleSet((), ())
        return DetectionStatus(
            sources=tuple(sources), rules=len(ruleset.rules), broken=ruleset.broken, rule_errors=dict(self._errors),
            open_groups=self._engine.remembered if self._engine else 0,
        )

    def rules(self) -> tuple[Rule, ...]:
        """Return the rules that run."""
        return self._ruleset.rules if self._ruleset else ()

    def broken(self) -> tuple[BrokenFile, ...]:
        """Return the rule files that do not run, each with its reason."""
        return self._ruleset.broken if self._ruleset else ()

    def rule(self, rule_id: str) -> Rule:
        """Return one rule; raise UnknownRuleError."""
        for rule in self.rules():
            if rule.rule_id == rule_id:
                return rule
        raise UnknownRuleError(rule_id)

    async def _consume(self, source: str, events: list[SealedEvent]) -> bool:
        engine = await self._restored()
        position = self._positions.get(source, 0)
        fresh = [sealed for sealed in events if sealed.seq >= position]
        if not fresh:
            return False
        try:
            findings = engine.observe(source, fresh)
            raised = await self._keep(source, position, fresh[-1].seq + 1, findings)
        except BaseException:
            self._engine = None  # it may know more than the store now
            raise
        self._positions[source] = fresh[-1].seq + 1
        self._count(source, len(fresh), findings, raised)
        return bool(raised)

    async def _keep(self, source: str, position: int, next_position: int, findings: Findings) -> list[Alert]:
        """Commit a batch; answer the alerts that are new."""
        texts = {rule.rule_id: rule.text for rule in self.rules()}
        new = await self._progress.keep(Batch(
            source=source, position=position, next_position=next_position, watermark_us=findings.watermark_us,
            late=findings.late, members=findings.members, horizons=findings.horizons,
            alerts=[self._to_row(alert, texts) for alert in findings.alerts],
        ))
        return [alert for alert in findings.alerts if alert.alert_id in new]

    def _to_row(self, alert: Alert, texts: dict[str, str]) -> NewAlert:
        return NewAlert(
            alert_id=alert.alert_id, key=alert.key, rule_id=alert.profile.rule_id,
            rule_text=texts[alert.profile.rule_id], severity=alert.profile.severity,
            raised_at_us=self._clock.now_us(), event=alert.to_event(self._clock),
        )

    async def _restored(self) -> Engine:
        """Return the engine, rebuilt from the store when there is none to trust."""
        if self._engine is None:
            sources = await self._progress.sources()
            engine = Engine(self.rules(), self._lateness)
            engine.restore(
                {item.source: item.watermark_us for item in sources if item.watermark_us is not None},
                await self._progress.members(),
            )
            self._positions = {item.source: item.next_seq for item in sources}
            self._engine = engine
        return self._engine

    def _count(self, source: str, events: int, findings: Findings, raised: list[Alert]) -> None:
        metrics.EVENTS.labels(source).inc(events)
        metrics.LATE.labels(source).inc(findings.late)
        metrics.GROUPS.set(self._engine.remembered if self._engine else 0)
        for alert in raised:
            metrics.ALERTS.labels(alert.profile.rule_id).inc()
            _log.info("alert_raised", rule=alert.profile.rule_id, alert=alert.alert_id, why=alert.why)
        for rule_id, count in findings.errors.items():
            metrics.ERRORS.labels(rule_id).inc(count)
            self._errors[rule_id] += count
