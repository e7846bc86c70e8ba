"""Correlation on event time: which events of one group complete a window, whatever order they came in.

An event e *completes* a correlation when the window that ends with it fulfils the condition:

    W(e) = { m in group : t(e) - timespan <= t(m) <= t(e) }          both ends belong to the window

More events can only complete more: no late event takes an answer back. So what is completed depends on the set of
events alone, never on their order, and each completion is found as soon as its last event arrives. One group alerts
once a *slot*, floor(t(e) / timespan): the slot, not the window, names the alert, because the earliest completing
window may still change while late events come in, and the set of slots with a completion may not.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from operator import attrgetter

from siem_rules.domain.rule import Correlation, CorrelationKind

MAX_MEMBERS = 2_000
"""Events one group remembers; beyond it the oldest go, and that is counted: an endless flood must not fill memory."""

MAX_AMOUNT = Decimal(10**18)
"""What one event can add to a sum at most: `1e999999` is a number, too, and would be written out."""


@dataclass(slots=True, order=True)
class Member:
    """One event's contribution to a group. `part` is the rule it matched; `seqs` the evidence behind it.

    Never changed; not frozen, because one is made for every match and freezing triples the cost.
    """

    at_us: int
    event_id: str
    part: str
    value: str | None = field(compare=False, default=None)
    seqs: tuple[int, ...] = field(compare=False, default=())
    facts: Mapping[str, str] = field(compare=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class Completion:
    """A fulfilled window: the time it ends, its members, what was reached, and whom it aims at."""

    end_us: int
    members: tuple[Member, ...]
    reached: str
    target: str | None = None


class Group:
    """The remembered events of one group of one correlation, ordered by event time."""

    __slots__ = ("_members", "_seen", "dropped")

    def __init__(self) -> None:
        self._members: list[Member] = []
        self._seen: set[tuple[str, str]] = set()
        self.dropped = 0

    def add(self, member: Member) -> bool:
        """Remember a member; False when this event contributed this part before."""
        identity = (member.event_id, member.part)
        if identity in self._seen:
            return False
        self._seen.add(identity)
        if self._members and member < self._members[-1]:
            insort(self._members, member)
        else:
            self._members.append(member)
        if len(self._members) > MAX_MEMBERS:
            self._drop(len(self._members) - MAX_MEMBERS)
            self.dropped += 1
        return True

    def evict(self, horizon_us: int) -> None:
        """Forget what is older than the horizon: no window that can still change reaches there."""
        self._drop(bisect_left(self._members, horizon_us, key=_time))

    def is_empty(self) -> bool:
        """Tell that nothing is remembered."""
        return not self._members

    def ends(self, member: Member, span_us: int) -> list[int]:
        """Return the times at which a window that `member` belongs to ends, each once."""
        members = self._members
        if members[-1].at_us == member.at_us:
            return [member.at_us]
        found: list[int] = []
        position = bisect_left(members, member.at_us, key=_time)
        while position < len(members) and members[position].at_us <= member.at_us + span_us:
            found.append(members[position].at_us)
            position = bisect_right(members, found[-1], lo=position, key=_time)
        return found

    def reaches(self, correlation: Correlation, end_us: int) -> bool:
        """Tell cheaply that the window ending at a time may fulfil the correlation: enough events, unless it sums."""
        fewest = correlation.threshold
        if correlation.kind is CorrelationKind.VALUE_SUM:
            return True
        if len(self._members) < fewest:
            return False
        end = self._end(end_us)
        return end >= fewest and self._members[end - fewest].at_us >= end_us - correlation.span_us

    def window(self, end_us: int, span_us: int) -> list[Member]:
        """Return the members of the window that ends at a time."""
        return self._members[bisect_left(self._members, end_us - span_us, key=_time):self._end(end_us)]

    def _end(self, end_us: int) -> int:
        """Return how many members are not after a time; mostly that is all of them."""
        members = self._members
        return len(members) if members[-1].at_us <= end_us else bisect_right(members, end_us, key=_time)

    def _drop(self, count: int) -> None:
        for member in self._members[:count]:
            self._seen.discard((member.event_id, member.part))
        del self._members[:count]


_time = attrgetter("at_us")


def completions(correlation: Correlation, end_us: int, window: list[Member]) -> list[Completion]:
    """Return how the window that ends at `end_us` fulfils the correlation: not at all, once, or once a target."""
    return _EVALUATIONS[correlation.kind](correlation, end_us, window)


def _event_count(correlation: Correlation, end_us: int, window: list[Member]) -> list[Completion]:
    if len(window) < correlation.threshold:
        return []
    return [Completion(end_us, tuple(window), f"{len(window)} events")]


def _value_count(correlation: Correlation, end_us: int, window: list[Member]) -> list[Completion]:
    if len(window) < correlation.threshold:
        return []
    distinct = len({member.value for member in window})
    if distinct < correlation.threshold:
        return []
    return [Completion(end_us, tuple(window), f"{distinct} values of {correlation.value_field}")]


def _value_sum(correlation: Correlation, end_us: int, window: list[Member]) -> list[Completion]:
    total = sum((amount(member.value) for member in window), Decimal(0))
    if total < correlation.threshold:
        return []
    return [Completion(end_us, tuple(window), f"{total:f} as the sum of {correlation.value_field}")]


def amount(value: str | None) -> Decimal:
    """Return what a value adds to a sum: nothing when it is negative or no number, so that sums only grow."""
    try:
        number = Decimal(value or "0")
    except InvalidOperation:
        return Decimal(0)
    return min(number, MAX_AMOUNT) if number.is_finite() and number > 0 else Decimal(0)


def _temporal(correlation: Correlation, end_us: int, window: list[Member]) -> list[Completion]:
    present = {member.part for member in window}
    if len(present) < correlation.threshold:
        return []
    return _aimed(correlation, end_us, window, f"{len(present)} of {len(correlation.parts)} rules")


def _temporal_ordered(correlation: Correlation, end_us: int, window: list[Member]) -> list[Completion]:
    """Take for each rule, from the last back, the latest event not after its successor's."""
    chain: list[Member] = []
    candidates, latest_us = list(window), end_us
    for part in reversed(correlation.parts):
        found = next((item for item in reversed(candidates) if item.part == part and item.at_us <= latest_us), None)
        if found is None or (not chain and found.at_us < end_us):
            return []
        chain.append(found)
        candidates.remove(found)
        latest_us = found.at_us
    return _aimed(correlation, end_us, chain[::-1], f"{len(chain)} rules in order")


def _aimed(correlation: Correlation, end_us: int, members: list[Member], reached: str) -> list[Completion]:
    """Return one completion, or one for each value of the target the window holds."""
    target = correlation.profile.target if correlation.profile else None
    if target is None or target.rule is None:
        return [Completion(end_us, tuple(members), reached)]
    values = {member.facts[target.field] for member in members
              if member.part == target.rule and target.field in member.facts}
    return [Completion(end_us, tuple(members), reached, value) for value in sorted(values)]


_EVALUATIONS: Mapping[CorrelationKind, Callable[[Correlation, int, list[Member]], list[Completion]]] = {
    CorrelationKind.EVENT_COUNT: _event_count,
    CorrelationKind.VALUE_COUNT: _value_count,
    CorrelationKind.VALUE_SUM: _value_sum,
    CorrelationKind.TEMPORAL: _temporal,
    CorrelationKind.TEMPORAL_ORDERED: _temporal_ordered,
}
