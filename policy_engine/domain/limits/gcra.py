"""The generic cell rate algorithm (ITU-T I.371): a token bucket that is one number.

A bucket holds its *backlog* B, the microseconds until it is full again. A request adds one emission interval
T = 1 s / rate and is refused, without adding, when that would exceed the burst:

    B' = max(0, B - elapsed) + T,        allowed if B' <= burst * T.
"""

import math
from dataclasses import dataclass

_SECOND_US = 1_000_000
_ROUNDED_US = 0.125
"""By how much a request may be rounded: a backlog is kept as a time since 1970, whose next float is 0.25 us away."""


@dataclass(frozen=True, slots=True)
class Quota:
    """`per_s` requests a second in the long run, `burst` of them at once."""

    per_s: float
    burst: int

    @property
    def interval_us(self) -> float:
        """T: what one request costs, in microseconds."""
        return _SECOND_US / self.per_s

    @property
    def depth_us(self) -> float:
        """What a full bucket is worth, in microseconds."""
        return self.burst * self.interval_us

    @property
    def _rounded_us(self) -> float:
        return self.burst * _ROUNDED_US

    @property
    def window_s(self) -> int:
        """In how many seconds `burst` requests are earned, at least one."""
        return max(1, math.ceil(self.burst / self.per_s))

    def allows(self, backlog_us: float) -> bool:
        """Tell whether one more request fits a bucket with this backlog."""
        return backlog_us + self.interval_us <= self.depth_us + self._rounded_us

    def remaining(self, backlog_us: float) -> int:
        """Return how many requests fit now."""
        return min(self.burst, max(0, int((self.depth_us - backlog_us + self._rounded_us) / self.interval_us)))

    def retry_after_s(self, backlog_us: float) -> int:
        """Return after how many whole seconds one request fits again."""
        return max(1, math.ceil((backlog_us + self.interval_us - self.depth_us) / _SECOND_US))
