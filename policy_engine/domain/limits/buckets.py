"""Buckets of this process: when each will be full again.

Memory is bounded: full buckets are forgotten, and under a flood of new callers those that are nearest to full.
"""

from collections.abc import Sequence
from typing import Protocol

from policy_engine.domain.limits.standing import Charge, RateLimitedError

MAX_BUCKETS = 100_000
SET_BACK_US = 1_000_000
"""A clock that was set back this far was set back; less is a request that overtook another."""


class Buckets(Protocol):
    """Keeps buckets."""

    async def charge(self, charges: Sequence[Charge], now_us: int) -> Sequence[float]:
        """Charge one request to all of these or, raising RateLimitedError, to none; return the backlogs in us."""


class OwnBuckets:
    """Buckets in memory. `spent_us` is what was charged since it was last taken, by key."""

    def __init__(self) -> None:
        self._full_at_us: dict[str, float] = {}
        self._spent_us: dict[str, float] = {}
        self._now_us = 0

    async def charge(self, charges: Sequence[Charge], now_us: int) -> Sequence[float]:
        """Charge one request to all of these or to none."""
        self._look_at_the_clock(now_us)
        full_at = self._full_at_us
        found = []
        for charge in charges:
            backlog = max(0.0, full_at.get(charge.key, 0.0) - now_us)
            if not charge.rule.quota.allows(backlog):
                raise RateLimitedError(charge, backlog)
            found.append(backlog + charge.rule.quota.interval_us)
        for charge, backlog in zip(charges, found, strict=True):
            full_at[charge.key] = now_us + backlog
            if backlog > charge.rule.quota.depth_us / 2:
                self._spent_us[charge.key] = self._spent_us.get(charge.key, 0.0) + charge.rule.quota.interval_us
        self._forget_some(now_us)
        return found

    def take_spent(self) -> dict[str, float]:
        """Return what was charged to buckets that are more than half empty since this was last called."""
        spent, self._spent_us = self._spent_us, {}
        return spent

    def learn(self, key: str, backlog_us: float, now_us: int) -> None:
        """Take the backlog that all processes together made, as far as it is more than is known here."""
        self._full_at_us[key] = max(self._full_at_us.get(key, 0.0), now_us + backlog_us)
        self._forget_some(now_us)

    def _look_at_the_clock(self, now_us: int) -> None:
        """Move everything with a clock that was set back, or who was seen since would wait for that hour again."""
        back_us = self._now_us - now_us
        if 0 < back_us < SET_BACK_US:
            return
        self._now_us = now_us
        if back_us > 0:
            self._full_at_us = {key: at - back_us for key, at in self._full_at_us.items()}

    def _forget_some(self, now_us: int) -> None:
        if len(self._full_at_us) <= MAX_BUCKETS:
            return
        kept = {key: at for key, at in self._full_at_us.items() if at > now_us}
        if len(kept) > MAX_BUCKETS * 3 // 4:
            emptiest = sorted(kept.items(), key=lambda item: item[1], reverse=True)[:MAX_BUCKETS // 2]
            kept = dict(emptiest)
        self._full_at_us = kept
