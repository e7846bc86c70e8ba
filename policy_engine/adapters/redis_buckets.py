"""Buckets in Redis, one script a request: every process of a fleet counts exactly the same.

When Redis does not answer within a tenth of a second, this process counts by itself (an alarm says so) and asks again
after a second.
"""

from collections.abc import Sequence
from typing import Any

import structlog
from prometheus_client import Gauge

from policy_engine.domain.limits.buckets import Buckets
from policy_engine.domain.limits.standing import Charge, RateLimitedError

TIMEOUT_S = 0.1
REST_US = 1_000_000
PREFIX = "gridwarden:limit:"
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local found = {}
for i, key in ipairs(KEYS) do
    local interval, depth = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local backlog = math.max(0, tonumber(redis.call('GET', key) or '0') - now)
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


class RedisBuckets:
    """Charges in Redis, or in `own` buckets while it is away."""

    def __init__(self, url: str, own: Buckets) -> None:
        from redis.asyncio import Redis
        from redis.exceptions import RedisError

        self._redis: Any = Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        self._script = self._redis.register_script(_SCRIPT)
        self._faults: tuple[type[Exception], ...] = (RedisError, OSError, TimeoutError)
        self._own = own
        self._ask_again_at_us = 0

    async def charge(self, charges: Sequence[Charge], now_us: int) -> Sequence[float]:
        """Charge one request to all of these or to none."""
        if now_us >= self._ask_again_at_us:
            try:
                return _read(charges, await self._asked(charges))
            except self._faults as error:
                self._ask_again_at_us = now_us + REST_US
                _away.set(1)
                _log.error("rate_limit_redis_away", error=type(error).__name__)
        return await self._own.charge(charges, now_us)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _asked(self, charges: Sequence[Charge]) -> Sequence[Any]:
        arguments = [part for charge in charges for part in (charge.quota.interval_us, charge.quota.depth_us)]
        answer = await self._script(keys=[PREFIX + charge.key for charge in charges], args=arguments)
        _away.set(0)
        return list(answer)


def _read(charges: Sequence[Charge], answer: Sequence[Any]) -> Sequence[float]:
    refused = int(answer[0])
    if refused:
        raise RateLimitedError(charges[refused - 1], float(answer[1]))
    return [float(backlog) for backlog in answer[1:]]
