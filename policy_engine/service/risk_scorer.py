"""Scores from memory in microseconds, learns from accepted requests, and shares what it learns with other processes."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from prometheus_client import Gauge

from policy_engine.domain import risk
from policy_engine.domain.history import History
from policy_engine.domain.risk import UNOBSERVED, RiskFeatures, RiskScore
from policy_engine.domain.risk_behaviour import FEATURES, Windows
from policy_engine.domain.risk_drift import SHIFTED, Drift
from policy_engine.domain.risk_levels import HOURS, US_PER_HOUR
from policy_engine.service.risk_memory import Memory
from policy_engine.service.risk_models import ModelKeeper, ModelStanding
from policy_engine.store.risk_history import Changes, RiskHistoryStore
from shared_kernel.errors import UnavailableError

FLUSH_S = 1.0
_SYNC_EVERY, _AGE_EVERY = 2, 60
"""In flushes: how often others' increments are read, and how often histories are looked at for their age."""
_SHOWN = 12

_log = structlog.get_logger()
_waiting = Gauge("gridwarden_policy_risk_waiting", "Counts not yet written to the risk history")
_drift = Gauge("gridwarden_policy_risk_drift", "Population stability index since the model was trained", ["feature"])


@dataclass(frozen=True, slots=True)
class RiskStanding:
    """What scores: the model, whether countries are known, how many subjects, and how far requests have drifted."""

    model: ModelStanding
    countries: bool
    subjects: int
    requests: int
    drift: Mapping[str, float]

    @property
    def shifted(self) -> tuple[str, ...]:
        """The features whose drift calls for another training."""
        return tuple(name for name, index in self.drift.items() if index >= SHIFTED)


class RiskScorer:
    """Scores and learns.

    At most the last second of learning is lost in a crash; a database that is away delays writing, never scoring.
    """

    def __init__(
        self, store: RiskHistoryStore, models: ModelKeeper | None = None,
        country_of: Callable[[str], str | None] | None = None,
    ) -> None:
        self._store, self._models, self._country_of = store, models, country_of
        self._memory, self._windows, self._drift = Memory(), Windows(), Drift()
        self._writing = asyncio.Lock()

    async def start(self) -> None:
        """Read the histories and the active model; raise UnavailableError when they cannot be read."""
        self._memory.replace_all(await self._store.load())
        if self._models is not None:
            await self._models.start()

    def score(self, features: RiskFeatures) -> RiskScore:
        """Return the score; takes microseconds, changes nothing and never raises."""
        memory, models = self._memory, self._models
        try:
            country = self._country_of(features.source_ip) if self._country_of else None
            behaviour = UNOBSERVED
            if models is not None and models.is_needed:
                behaviour = models.behaviour(self._windows.vector(features))
            return risk.score(features, memory.of(features.subject), memory.everyone, country=country,
                              behaviour=behaviour)
        except (TypeError, ValueError, OverflowError, AttributeError):
            return RiskScore(risk.HIGHEST, ("the request cannot be read: treated as the highest risk",))

    def count(self, features: RiskFeatures, *, allowed: bool) -> None:
        """Count a decided request as behaviour, refused ones too: what is tried is part of it."""
        if self._models is None or not self._models.is_needed:
            return
        self._drift.count(self._windows.count(features, allowed=allowed), features.at_us // US_PER_HOUR % HOURS)

    def observe(self, features: RiskFeatures) -> None:
        """Learn from what was accepted; features that cannot be read teach nothing.

        A login teaches a new place and agent. A request, which has an action, teaches those that are usual already:
        a stolen token must not make itself familiar.
        """
        try:
            country = self._country_of(features.source_ip) if self._country_of else None
            values = risk.values_of(features, country)
            if features.action and not self._is_usual(features.subject, values):
                return
        except (ValueError, TypeError):
            return
        self._memory.learn(features.subject, values, features.at_us)

    def _is_usual(self, subject: str, values: Mapping[str, str]) -> bool:
        ratios = risk.suspicion(values, self._memory.of(subject), self._memory.everyone)
        return max(ratios["place"], ratios["agent"]) <= risk.NOTABLE

    async def forget(self, subject: str) -> None:
        """Make a subject unknown again, in every process: the security team's way to confirm a new place or device."""
        async with self._writing:
            await self._store.forget(subject)
            self._memory.forget(subject)
            self._windows.forget(subject)

    def known_of(self, subject: str) -> dict[str, object]:
        """Return what is usual for a subject: the most frequent values of each level, and its present behaviour."""
        now = [{"subnet": subnet, **dict(zip(FEATURES, numbers, strict=True))}
               for subnet, numbers in self._windows.of(subject)]
        return {**usual_of(subject, self._memory.of(subject)), "behaviour": now}

    def standing(self) -> RiskStanding:
        """Return what scores."""
        model = self._models.model if self._models else None
        return RiskStanding(
            self._models.standing() if self._models else ModelStanding(None, None, 0, None),
            self._country_of is not None, len(self._memory.histories), self._memory.everyone.requests,
            self._drift.since(model) if model else {})

    async def run(self) -> None:
        """Write what was learnt every second and read what others did; write once more when cancelled."""
        rounds = 0
        following = asyncio.create_task(self._models.run()) if self._models else None
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                rounds += 1
                await self._flush_or_keep(rounds)
        finally:
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            await self._flush_or_keep(0)

    async def flush(self) -> None:
        """Write what was learnt; raise UnavailableError, keeping it, when that is impossible."""
        async with self._writing:
            requests, counts = self._memory.take()
            if not requests:
                return
            try:
                totals = await self._store.add(requests, counts)
            except BaseException:
                self._memory.give_back(requests, counts)
                raise
            finally:
                _waiting.set(len(self._memory.counts))
            await self._take_over(totals)

    async def sync(self) -> None:
        """Take over what other processes learnt, aged or erased; raise UnavailableError when they cannot be read."""
        async with self._writing:
            await self._take_over(await self._store.changes())

    async def _take_over(self, changes: Changes) -> None:
        """Take totals; a history that was halved or erased meanwhile is read whole."""
        whole = [subject for subject, epoch in changes.epochs.items() if epoch != self._memory.of(subject).epoch]
        for subject in self._memory.named_by(changes.erased):
            self._memory.forget(subject)
            whole.append(subject)
        self._memory.absorb(changes)
        for subject, history in (await self._store.read(whole) if whole else {}).items():
            self._memory.replace(subject, history)

    async def _flush_or_keep(self, rounds: int) -> None:
        try:
            await self.flush()
            if rounds and rounds % _AGE_EVERY == 0:
                await self._store.age()
                for feature, index in self.standing().drift.items():
                    _drift.labels(feature).set(index)
            if rounds and rounds % _SYNC_EVERY == 0:
                await self.sync()
        except UnavailableError as error:
            _log.warning("risk_history_not_written", detail=str(error), waiting=len(self._memory.counts))


def usual_of(subject: str, own: History) -> dict[str, object]:
    """Return what a history holds, the most frequent values of each level first."""
    usual = {feature: [{"value": value, "seen": seen} for value, seen in
                       sorted(values.items(), key=lambda counted: (-counted[1], counted[0]))[:_SHOWN]]
             for feature, values in sorted(own.counts.items()) if feature != "acted"}
    return {"subject": subject, "requests": own.requests, "is_familiar": own.requests >= risk.COLD_WEIGHT,
            "usual": usual}
