"""How a caller stands with its quotas, and the header fields that say so.

Fields and their syntax: draft-ietf-httpapi-ratelimit-headers (RateLimit, RateLimit-Policy), Retry-After of RFC 9110.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policy_engine.domain.limits.gcra import Quota
from policy_engine.domain.limits.rules import Rule
from shared_kernel.errors import TooManyRequestsError


@dataclass(frozen=True, slots=True)
class Charge:
    """One request against one bucket: `key` names the bucket, whoever keeps it."""

    key: str
    rule: Rule

    @property
    def quota(self) -> Quota:
        """What the bucket holds."""
        return self.rule.quota


class RateLimitedError(TooManyRequestsError):
    """A caller has used up a quota (429)."""

    def __init__(self, charge: Charge, backlog_us: float) -> None:
        quota = charge.quota
        self.charge, self.retry_after_s = charge, quota.retry_after_s(backlog_us)
        super().__init__(f"more than {quota.burst} requests at once or {quota.per_s:g} a second in the long run "
                         f"({charge.rule.name}): try again in {self.retry_after_s} s")
        self.headers: Mapping[str, str] = {
            "Retry-After": str(self.retry_after_s), "RateLimit": field((charge,), (backlog_us,)),
            "RateLimit-Policy": policy_field(charge.rule)}


def field(charges: Sequence[Charge], backlogs_us: Sequence[float]) -> str:
    """Return the RateLimit field of the quota that is nearest to its end."""
    charge, backlog_us = min(zip(charges, backlogs_us, strict=True), key=_left)
    quota = charge.quota
    return f'"{charge.rule.name}";r={quota.remaining(backlog_us)};t={int(-(-backlog_us // 1_000_000))}'


def policy_field(rule: Rule) -> str:
    """Return the RateLimit-Policy field of a rule: `burst` requests in the seconds in which they are earned."""
    return f'"{rule.name}";q={rule.quota.burst};w={rule.quota.window_s}'


def _left(pair: tuple[Charge, float]) -> int:
    return pair[0].quota.remaining(pair[1])
