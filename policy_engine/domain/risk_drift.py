"""How far today's requests are from those a model was trained on: the population stability index.

    PSI = sum over bins of (now - then) ln(now / then)

By custom below 0.1 nothing moved, from 0.25 on the model should be trained again.
"""

import math
from collections.abc import Mapping, Sequence

from policy_engine.domain.risk_behaviour import EDGES, FEATURES, Vector
from policy_engine.domain.risk_levels import HOURS
from policy_engine.domain.risk_model import Model, bins_of

SHIFTED = 0.25
ENOUGH = 500
"""Requests below which an index would be chance."""
_FADE_AT = 50_000
_FLOOR = 1e-4


def psi(then: Sequence[float], now: Sequence[float]) -> float:
    """Return the index of two shares a bin; empty bins count as one in ten thousand."""
    total_then, total_now = sum(then) or 1.0, sum(now) or 1.0
    pairs = ((max(a / total_then, _FLOOR), max(b / total_now, _FLOOR)) for a, b in zip(then, now, strict=True))
    return sum((b - a) * math.log(b / a) for a, b in pairs)


class Drift:
    """What the requests since start look like; older ones fade, half of them every fifty thousand."""

    def __init__(self) -> None:
        self.requests = 0.0
        self._bins = [[0.0] * (len(edges) + 1) for edges in EDGES]
        self._hours = [0.0] * HOURS

    def count(self, vector: Vector, hour: int) -> None:
        """Count a request; a vector that is no numbers is left out."""
        try:
            bins = bins_of(vector)
        except (ValueError, TypeError):
            return
        self.requests += 1
        self._hours[hour] += 1
        for counted, found in zip(self._bins, bins, strict=True):
            counted[found] += 1
        if self.requests > _FADE_AT:
            self._fade()

    def since(self, model: Model) -> Mapping[str, float]:
        """Return the index of each feature, nothing while there are too few requests."""
        if self.requests < ENOUGH:
            return {}
        found = {name: psi(then, now) for name, then, now in zip(FEATURES, model.density, self._bins, strict=True)}
        return {**found, "hour": psi(model.hours, self._hours)}

    def _fade(self) -> None:
        self.requests /= 2
        self._bins = [[seen / 2 for seen in counted] for counted in self._bins]
        self._hours = [seen / 2 for seen in self._hours]
