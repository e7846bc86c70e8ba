"""What is usual for whom, in memory: totals from the database, and what this process learnt and has not written yet."""

from collections import Counter
from collections.abc import Mapping

from policy_engine.domain.history import History
from policy_engine.store.risk_history import Changes, Count, hash_of

MAX_WAITING = 100_000
LEARNT_A_MINUTE = 60
"""Requests of one subject that count within a minute: a flood is not sixty times as familiar."""
_EVERYONE_LIMIT = 100_000
_US_PER_MINUTE = 60_000_000
_UNKNOWN = History()


class Memory:
    """Histories by subject, everybody's sum, and the increments that wait to be written."""

    def __init__(self) -> None:
        self.histories: dict[str, History] = {}
        self.everyone = History()
        self.requests: Counter[str] = Counter()
        self.counts: Counter[Count] = Counter()
        self._minute, self._learnt = -1, Counter[str]()

    def of(self, subject: str) -> History:
        """Return a subject's history; nobody else's request changes an unknown one."""
        return self.histories.get(subject, _UNKNOWN)

    def replace_all(self, histories: dict[str, History]) -> None:
        """Start from what the database holds."""
        self.histories = histories
        self.everyone = _summed(histories)

    def learn(self, subject: str, values: Mapping[str, str], at_us: int) -> None:
        """Count one accepted request, within what a minute may teach."""
        minute = at_us // _US_PER_MINUTE
        if minute != self._minute:
            self._minute, self._learnt = minute, Counter()
        self._learnt[subject] += 1
        if self._learnt[subject] > LEARNT_A_MINUTE or len(self.counts) >= MAX_WAITING:
            return
        own = self.histories.setdefault(subject, History())
        own.add(values)
        self.everyone.add(values, limit=_EVERYONE_LIMIT)
        self.requests[subject] += 1
        for feature, value in values.items():
            if own.of(feature, value):
                self.counts[subject, feature, value] += 1

    def take(self) -> tuple[Counter[str], Counter[Count]]:
        """Hand over what waits."""
        taken = self.requests, self.counts
        self.requests, self.counts = Counter(), Counter()
        return taken

    def give_back(self, requests: Counter[str], counts: Counter[Count]) -> None:
        """Keep for later what could not be written."""
        self.requests.update(requests)
        self.counts.update(counts)

    def absorb(self, totals: Changes) -> None:
        """Take totals from the database; what waits here is not in them and comes on top."""
        for subject, total in totals.requests.items():
            own = self.histories.setdefault(subject, History())
            requests = total + self.requests[subject] if subject in self.requests else total
            self.everyone.requests += requests - own.requests
            own.requests = requests
        for key, total in totals.counts.items():
            subject, feature, value = key
            known = self.histories.get(subject)
            if known is not None:
                grown = known.put(feature, value, total + self.counts.get(key, 0))
                if grown:
                    before = self.everyone.of(feature, value)
                    self.everyone.put(feature, value, max(0, before + grown), limit=_EVERYONE_LIMIT)

    def replace(self, subject: str, history: History) -> None:
        """Take one subject's history whole; what waits here comes on top."""
        self._withdraw(subject)
        history.requests += self.requests.get(subject, 0)
        for (name, feature, value), seen in self.counts.items():
            if name == subject:
                history.put(feature, value, history.of(feature, value) + seen)
        self.histories[subject] = history
        _add(self.everyone, history, 1)

    def forget(self, subject: str) -> None:
        """Know nothing of a subject, nor write anything of it."""
        self._withdraw(subject)
        self.requests.pop(subject, None)
        for key in [key for key in self.counts if key[0] == subject]:
            del self.counts[key]

    def named_by(self, hashes: set[bytes]) -> list[str]:
        """Return the known subjects behind these hashes."""
        return [subject for subject in self.histories if hash_of(subject) in hashes] if hashes else []

    def _withdraw(self, subject: str) -> None:
        own = self.histories.pop(subject, None)
        if own is not None:
            _add(self.everyone, own, -1)


def _summed(histories: dict[str, History]) -> History:
    everyone = History()
    for history in histories.values():
        _add(everyone, history, 1)
    return everyone


def _add(everyone: History, history: History, sign: int) -> None:
    everyone.requests = max(0, everyone.requests + sign * history.requests)
    for feature, values in history.counts.items():
        counted = everyone.counts.setdefault(feature, {})
        for value, seen in values.items():
            rest = counted.get(value, 0) + sign * seen
            if rest > 0:
                counted[value] = rest
            else:
                counted.pop(value, None)
