"""Knows what is usual for whom: histories in memory, written behind in batches, so that no request waits for them."""

import asyncio
from collections import Counter

import structlog
from prometheus_client import Gauge

from policy_engine.domain import risk
from policy_engine.domain.history import History
from policy_engine.domain.risk import RiskFeatures, RiskScore
from policy_engine.store.risk_history import RiskHistoryStore
from shared_kernel.errors import UnavailableError

FLUSH_S = 1.0
MAX_WAITING = 100_000
_EVERYONE_LIMIT = 100_000
_UNKNOWN = History()

_log = structlog.get_logger()
_waiting = Gauge("gridwarden_policy_risk_waiting", "Counts not yet written to the risk history")


class RiskScorer:
    """Scores from memory; learns from accepted requests.

    At most the last second of learning is lost in a crash; a database that is away delays writing, never scoring.
    """

    def __init__(self, store: RiskHistoryStore) -> None:
        self._store = store
        self._histories: dict[str, History] = {}
        self._everyone = History()
        self._requests: Counter[str] = Counter()
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._writing = asyncio.Lock()

    async def start(self) -> None:
        """Read the histories; raise UnavailableError when they cannot be read."""
        self._histories = await self._store.load()
        self._everyone = _summed(self._histories)

    def score(self, features: RiskFeatures) -> RiskScore:
        """Return the score; takes microseconds and never raises."""
        return risk.score(features, self._histories.get(features.subject, _UNKNOWN), self._everyone)

    async def observe(self, features: RiskFeatures) -> None:
        """Learn from an accepted request; features that cannot be read teach nothing."""
        try:
            values = risk.values_of(features)
        except risk.UnreadableFeaturesError:
            return
        own = self._histories.setdefault(features.subject, History())
        own.add(values)
        self._everyone.add(values, limit=_EVERYONE_LIMIT)
        if len(self._counts) < MAX_WAITING:
            self._requests[features.subject] += 1
            self._counts.update(
                (features.subject, feature, value) for feature, value in values.items() if own.of(feature, value)
            )

    async def forget(self, subject: str) -> None:
        """Make a subject unknown again: the security team's way to confirm a new place or device."""
        async with self._writing:
            await self._store.forget(subject)
            own = self._histories.pop(subject, None)
            self._requests.pop(subject, None)
            for key in [key for key in self._counts if key[0] == subject]:
                del self._counts[key]
            if own is not None:
                self._everyone = _summed(self._histories)

    async def run(self) -> None:
        """Write what was learnt every second, and once more when cancelled."""
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                await self._flush_or_keep()
        finally:
            await self._flush_or_keep()

    async def flush(self) -> None:
        """Write what was learnt; raise UnavailableError, keeping it, when that is impossible."""
        async with self._writing:
            requests, counts = self._requests, self._counts
            if not requests:
                return
            self._requests, self._counts = Counter(), Counter()
            try:
                await self._store.add(requests, counts)
            except BaseException:
                self._requests.update(requests)
                self._counts.update(counts)
                raise
            finally:
                _waiting.set(len(self._counts))

    async def _flush_or_keep(self) -> None:
        try:
            await self.flush()
        except UnavailableError as error:
            _log.warning("risk_history_not_written", detail=str(error), waiting=len(self._counts))


def _summed(histories: dict[str, History]) -> History:
    everyone = History()
    for history in histories.values():
        everyone.requests += history.requests
        for feature, values in history.counts.items():
            counted = everyone.counts.setdefault(feature, {})
            for value, seen in values.items():
                counted[value] = counted.get(value, 0) + seen
    return everyone
