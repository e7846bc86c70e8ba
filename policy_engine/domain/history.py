"""What was seen of a subject: how often each value of each feature, and how many requests in all."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_VALUES = 512
"""Distinct values kept of one feature; further ones count as seen nowhere, so they stay unusual."""


@dataclass(slots=True)
class History:
    """Counts of (feature, value), and the number of requests they come from; `epoch` moves when it is halved."""

    requests: int = 0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    epoch: int = 0

    def of(self, feature: str, value: str) -> int:
        """Return how often the value was seen."""
        values = self.counts.get(feature)
        return values.get(value, 0) if values else 0

    def add(self, values: Mapping[str, str], *, limit: int = MAX_VALUES) -> None:
        """Count one request with one value of each feature."""
        self.requests += 1
        for feature, value in values.items():
            counted = self.counts.setdefault(feature, {})
            if value in counted or len(counted) < limit:
                counted[value] = counted.get(value, 0) + 1

    def put(self, feature: str, value: str, seen: int, *, limit: int = MAX_VALUES) -> int:
        """Set a count; return by how much it changed."""
        counted = self.counts.setdefault(feature, {})
        before = counted.get(value, 0)
        if value in counted or len(counted) < limit:
            counted[value] = seen
        else:
            seen = before
        return seen - before
