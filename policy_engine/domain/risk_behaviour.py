"""How a subject behaves right now, in constant time a request: eight numbers for each subject and subnet.

Rates are counts that decay exponentially (a minute, an hour); what is distinct is collected for an hour and then
begun anew. A subnet has numbers of its own, so that a thief's flood from elsewhere is not the owner's behaviour.
Bytes are not among them: the gateway does not know them before it has answered.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, field

from policy_engine.domain.risk_levels import HOURS, US_PER_HOUR, RiskFeatures, place_key

FEATURES = ("requests_a_minute", "requests_an_hour", "actions_an_hour", "datasets_an_hour", "resources_an_hour",
            "denied_share", "changes_share", "night_share")
WORDS = ("{:.0f} requests a minute", "{:.0f} requests an hour", "{:.0f} different actions within the hour",
         "{:.0f} different datasets within the hour", "{:.0f} different resources within the hour",
         "{:.0%} of the requests denied", "{:.0%} of the requests change something", "{:.0%} of the requests at night")
_SHARES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_COUNTS = (1.5, *(2.0 ** power for power in range(1, 18)))
EDGES: tuple[tuple[float, ...], ...] = (_COUNTS,) * 5 + (_SHARES,) * 3
"""Where bins begin; counts double from bin to bin."""

Vector = tuple[float, ...]
MAX_WINDOWS, MAX_DISTINCT = 50_000, 4_096
_MINUTE_US = 60_000_000
_EVIDENCE = 10.0
"""A share of few requests says little: so many more, of the ordinary kind, are counted in."""
_READING = frozenset({"", "GET", "HEAD", "OPTIONS", "WEBSOCKET"})
_NIGHT = frozenset({22, 23, 0, 1, 2, 3, 4, 5})


@dataclass(slots=True)
class Window:
    """What one subject did lately from one subnet."""

    at_us: int = 0
    since_us: int = 0
    minute: float = 0.0
    hour: float = 0.0
    denied: float = 0.0
    changes: float = 0.0
    night: float = 0.0
    actions: set[str] = field(default_factory=set)
    datasets: set[str] = field(default_factory=set)
    resources: set[int] = field(default_factory=set)

    def vector(self, asked: RiskFeatures) -> Vector:
        """Return the numbers as they would be with this request; a clock that went back stands still."""
        passed = max(0, asked.at_us - self.at_us)
        faded = math.exp(-passed / US_PER_HOUR)
        hour = self.hour * faded + 1
        is_old = asked.at_us - self.since_us > US_PER_HOUR
        weight = hour + _EVIDENCE
        return (
            self.minute * math.exp(-passed / _MINUTE_US) + 1, hour,
            1.0 if is_old else float(len(self.actions) + (asked.action not in self.actions)),
            float(bool(asked.dataset)) if is_old else float(
                len(self.datasets) + (bool(asked.dataset) and asked.dataset not in self.datasets)),
            1.0 if is_old else float(len(self.resources) + (hash(asked.path) not in self.resources)),
            self.denied * faded / weight,
            (self.changes * faded + (asked.method not in _READING)) / weight,
            (self.night * faded + (asked.at_us // US_PER_HOUR % HOURS in _NIGHT)) / weight,
        )

    def at_last(self) -> Vector:
        """Return the numbers as they were at the last request."""
        weight = self.hour + _EVIDENCE
        return (self.minute, self.hour, float(len(self.actions)), float(len(self.datasets)),
                float(len(self.resources)), self.denied / weight, self.changes / weight, self.night / weight)

    def count(self, asked: RiskFeatures, *, allowed: bool) -> Vector:
        """Count a request that was decided; return the numbers it was scored by."""
        vector = self.vector(asked)
        if asked.at_us - self.since_us > US_PER_HOUR:
            self.since_us = asked.at_us
            self.actions, self.datasets, self.resources = set(), set(), set()
        faded = math.exp(-max(0, asked.at_us - self.at_us) / US_PER_HOUR)
        self.minute, self.hour = vector[0], vector[1]
        self.denied = self.denied * faded + (not allowed)
        self.changes = self.changes * faded + (asked.method not in _READING)
        self.night = self.night * faded + (asked.at_us // US_PER_HOUR % HOURS in _NIGHT)
        self.at_us = max(self.at_us, asked.at_us)
        if len(self.resources) < MAX_DISTINCT:
            self.actions.add(asked.action)
            self.resources.add(hash(asked.path))
            if asked.dataset:
                self.datasets.add(asked.dataset)
        return vector


_NOTHING_YET = Window()


class Windows:
    """The windows of everybody who was here lately; the one idle for longest goes when there are too many."""

    def __init__(self, limit: int = MAX_WINDOWS) -> None:
        self._limit = limit
        self._windows: OrderedDict[tuple[str, str], Window] = OrderedDict()

    def vector(self, asked: RiskFeatures) -> Vector:
        """Return what the request would make of its window."""
        return self._windows.get(_key(asked), _NOTHING_YET).vector(asked)

    def count(self, asked: RiskFeatures, *, allowed: bool) -> Vector:
        """Count a request that was decided; return the numbers it was scored by."""
        key = _key(asked)
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window(since_us=asked.at_us)
            if len(self._windows) > self._limit:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(key)
        return window.count(asked, allowed=allowed)

    def of(self, subject: str) -> list[tuple[str, Vector]]:
        """Return the subnets a subject was in lately with its numbers there, as they were then."""
        return [(subnet, window.at_last()) for (name, subnet), window in self._windows.items() if name == subject]

    def forget(self, subject: str) -> None:
        """Drop what one subject did."""
        for key in [key for key in self._windows if key[0] == subject]:
            del self._windows[key]


def _key(asked: RiskFeatures) -> tuple[str, str]:
    return asked.subject, place_key(asked.source_ip)
