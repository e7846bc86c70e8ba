"""Buckets in Redis, one script a request: every process of a fleet counts exactly the same.

When Redis does not answer within a tenth of a second, or answers what no bucket is, this process counts by itself (an
alarm says so) and asks again after a second. It goes on from what Redis said last: nobody gets a second burst. Redis's
clock measures; set back, it costs a caller no more than a burst.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from prometheus_client import Gauge

from policy_engine.domain.limits.buckets import OwnBuckets
from policy_engine.domain.limits.standing import Charge, RateLimitedError

TIMEOUT_S = 0.1
REST_US = 1_000_000
TURNS = 16
"""So many ask at once, each on a connection of its own; the others wait, and do not ask once Redis was seen away."""
PREFIX = "gridwarden:limit:"
_ROUNDED_US = 1.0
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local found = {}
for i, key in ipairs(KEYS) do
    local interval, depth = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local backlog = math.max(0, tonumber(redis.call('GET', key) or '0') - now)
    if backlog > depth then
        backlog = depth
        redis.call('SET', key, string.format('%.0f', now + depth), 'PX', math.ceil(depth / 1000) + 1)
    end
    if backlog + interval > depth + 1 then
        return {i, tostring(backlog)}
    end
    found[i] = backlog + interval
end
local answer = {0}
for i, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.0f', now + found[i]), 'PX', math.ceil(found[i] / 1000) + 1)
    answer[i + 1] = tostring(found[i])
end
return answer
"""

_log = structlog.get_logger()
_away = Gauge("gridwarden_rate_limit_redis_away", "1 while Redis is away and this process counts by itself")


class _NonsenseError(Exception):
    """The answer is none of our script's."""


class RedisBuckets:
    """Charges in Redis, or in `own` buckets while it is away."""

    def __init__(self, url: str, own: OwnBuckets) -> None:
        from redis.asyncio import Redis
        from redis.exceptions import RedisError

        self._redis: Any = Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        self._script = self._redis.register_script(_SCRIPT)
        self._faults: tuple[type[Exception], ...] = (RedisError, OSError, TimeoutError, RecursionError, _NonsenseError)
        self._own = own
        self._turns = asyncio.Semaphore(TURNS)
        self._ask_again_at_us = 0

    async def charge(self, charges: Sequence[Charge], now_us: int) -> Sequence[float]:
        """Charge one request to all of these or to none."""
        async with self._turns:
            answer = None if self._is_resting(now_us) else await self._asked(charges, now_us)
        if answer is None:
            return await self._own.charge(charges, now_us)
        refused, backlogs = answer
        told = charges[refused - 1:refused] if refused else charges
        for charge, backlog_us in zip(told, backlogs, strict=True):
            self._own.learn(charge.key, backlog_us, now_us)
        if refused:
            raise RateLimitedError(charges[refused - 1], backlogs[0])
        return backlogs

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    def _is_resting(self, now_us: int) -> bool:
        return 0 < self._ask_again_at_us - now_us <= REST_US

    async def _asked(self, charges: Sequence[Charge], now_us: int) -> tuple[int, list[float]] | None:
        """Return what Redis says, None when it is away."""
        arguments = [part for charge in charges for part in (charge.quota.interval_us, charge.quota.depth_us)]
        try:
            answer = _understood(
                await self._script(keys=[PREFIX + charge.key for charge in charges], args=arguments), charges)
        except self._faults as error:
            self._ask_again_at_us = now_us + REST_US
            _away.set(1)
            _log.error("rate_limit_redis_away", error=type(error).__name__)
            return None
        _away.set(0)
        return answer


def _understood(answer: Any, charges: Sequence[Charge]) -> tuple[int, list[float]]:  # noqa: ANN401 - of any server
    """Return which charge was refused (0: none) and the backlogs; what is no Redis of ours may say anything."""
    try:
        refused, backlogs = int(answer[0]), [float(backlog) for backlog in answer[1:]]
        told = charges[refused - 1:refused] if refused else charges
        is_sense = all(0 <= backlog <= charge.quota.depth_us + _ROUNDED_US
                       for charge, backlog in zip(told, backlogs, strict=True))
    except (TypeError, ValueError, LookupError) as cause:
        raise _NonsenseError from cause
    if not told or not is_sense:
        raise _NonsenseError
    return refused, backlogs
