"""How much likelier a request is from an intruder than from its subject (Freeman et al., NDSS 2016).

Subject and intruder both draw a value by first choosing how much of the subject's own they keep: the exact value, or
only what contains it at some level l, or nothing. With u_l the subject's own share of that level's value and g_l
everybody else's,

    p(x | subject)  = p(x) ( sum_l  w_l u_l / g_l  +  w_0 ),         u_l = (own_l + a g_l) / (own + a),  a = 0.2
    p(x | intruder) = p(x) ( sum_l  v_l u_l / g_l  +  v_0 ),         g_l = (others_l + 1) / (others + V_l)

    R = ln( p(x | intruder) / p(x | subject) ), clipped

so p(x) cancels, a rare value that matches says more than a common one, and a level that is not known (no GeoIP file)
says nothing. The intruder is Wiefling's mixture: naive (keeps nothing), VPN (keeps the country), targeted (keeps
network, browser and system). v_l / w_l grows with coarseness, therefore a request that was seen accepted never makes
the same request more suspicious. The hour counts its neighbours half, against a uniform hour.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from policy_engine.domain.history import History
from policy_engine.domain.risk_levels import ACTED, HOURS

_SMOOTHING, _HOUR_SMOOTHING = 0.2, 1.0


class Level(NamedTuple):
    """A level: how many values others may show, how often a subject (w) and an intruder (v) keep just this much.

    `crowd` caps others' share, so that a place everybody shares still speaks for those who use it.
    """

    name: str
    vocabulary: int
    kept_by_subject: float
    kept_by_intruder: float
    crowd: float = 1.0


@dataclass(frozen=True, slots=True)
class Feature:
    """Levels from exact to coarse, the weights of keeping nothing, and how far the feature may push."""

    levels: tuple[Level, ...]
    new_for_subject: float
    new_for_intruder: float
    low: float
    high: float

    def unmatched(self, smoothing: float) -> float:
        """Return the ratio of a value nothing of which was seen: to match something is never held against anybody."""
        return (self.new_for_intruder + smoothing * (1 - self.new_for_intruder)) / (
            self.new_for_subject + smoothing * (1 - self.new_for_subject))


PLACE = Feature((
    Level("address", 1_000, 0.72, 0.0008, crowd=0.2), Level("subnet", 500, 0.20, 0.01, crowd=0.3),
    Level("network", 256, 0.03, 0.28), Level("country", 20, 0.03, 0.36),
), 0.02, 0.3492, -3.0, 3.0)
AGENT = Feature((
    Level("agent", 100, 0.74, 0.16), Level("family", 20, 0.17, 0.30), Level("system", 8, 0.04, 0.12),
    Level("device", 4, 0.03, 0.14),
), 0.02, 0.28, -1.2, 2.5)
ACTION = Feature((Level("action", 40, 0.75, 0.35), Level("group", 16, 0.15, 0.15)), 0.10, 0.50, -0.5, 0.7)
_HOUR_LOW, _HOUR_HIGH = -1.0, 1.5
_AROUND = tuple((str((hour - 1) % HOURS), str(hour), str((hour + 1) % HOURS)) for hour in range(HOURS))
"""An hour and its neighbours, as histories name them."""


def suspicion(values: Mapping[str, str], own: History, everyone: History) -> dict[str, float]:
    """Return R of each feature; above 0 speaks against the subject. Raise ValueError for a corrupt history."""
    _refuse_corrupt(own)
    _refuse_corrupt(everyone)
    found = {
        "place": _log_ratio(PLACE, values, own, everyone, own.requests),
        "agent": _log_ratio(AGENT, values, own, everyone, own.requests),
        "hour": _clip(_hour_log_ratio(int(values["hour"]), own), _HOUR_LOW, _HOUR_HIGH),
    }
    if "action" in values:
        acted = _count(own, "acted", ACTED)
        found["action"] = _log_ratio(ACTION, values, own, everyone, acted) if acted else 0.0
    return found


def _refuse_corrupt(history: History) -> None:
    if type(history.requests) is not int or history.requests < 0:
        message = "a history cannot hold fewer than no requests"
        raise ValueError(message)


def _log_ratio(
    feature: Feature, values: Mapping[str, str], own: History, everyone: History, requests: int,
) -> float:
    unmatched = _SMOOTHING / (requests + _SMOOTHING)
    by_subject, by_intruder = feature.new_for_subject, feature.new_for_intruder
    others = max(0, everyone.requests - own.requests)
    for name, vocabulary, kept_by_subject, kept_by_intruder, crowd in feature.levels:
        value = values.get(name)
        match = 1.0
        if value is not None:
            mine, match = _count(own, name, value), unmatched
            if mine:
                theirs = _count(everyone, name, value) - mine
                share = (theirs + 1 if theirs > 0 else 1) / (others + vocabulary)
                match += mine / min(share, crowd) / (requests + _SMOOTHING)
        by_subject += kept_by_subject * match
        by_intruder += kept_by_intruder * match
    ratio, most = by_intruder / by_subject, feature.unmatched(unmatched)
    return _clip(math.log(min(ratio, most)), feature.low, feature.high)


def _hour_log_ratio(hour: int, own: History) -> float:
    before, at, after = _AROUND[hour]
    near = _count(own, "hour", before) + 2 * _count(own, "hour", at) + _count(own, "hour", after)
    likely = (near / 4 + _HOUR_SMOOTHING / HOURS) / (own.requests + _HOUR_SMOOTHING)
    return math.log(1 / HOURS / likely)


def _count(history: History, feature: str, value: str) -> int:
    counted = history.counts.get(feature)
    found = counted.get(value, 0) if counted else 0
    if type(found) is not int or not 0 <= found <= history.requests:
        message = f"{feature} was counted {found} times in {history.requests} requests"
        raise ValueError(message)
    return found


def _clip(value: float, low: float, high: float) -> float:
    """Return the value within its limits; what is no number is as suspicious as can be."""
    return low if value < low else value if value <= high else high  # noqa: FURB136 - min() would let NaN pass
