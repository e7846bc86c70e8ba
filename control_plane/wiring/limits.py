"""Rate limits as the settings want them: in this process and PostgreSQL, or in Redis."""

import contextlib
from collections.abc import AsyncIterator

from control_plane.config import Settings
from control_plane.parts import Counting
from control_plane.wiring.pools import Pools
from policy_engine.adapters.limits_file import rules_of
from policy_engine.domain.limits.buckets import OwnBuckets
from policy_engine.service.limits import SHIPPED, Buckets, Limiter
from policy_engine.service.limits.exchange import Exchange
from policy_engine.store.rate_limits import SharedLimits
from shared_kernel.clock import Clock
from shared_kernel.events import Recorder


@contextlib.asynccontextmanager
async def limits_of(
    settings: Settings, pools: Pools, ledger: Recorder, clock: Clock,
) -> AsyncIterator[Counting]:
    """Yield who counts; REDIS_URL has every process count in one place."""
    rules = rules_of(settings.rate_limits) if settings.rate_limits else SHIPPED
    own = OwnBuckets()
    exchange = Exchange(own, SharedLimits(pools.app), clock)
    if settings.redis_url is None:
        yield Counting(Limiter(rules, own, ledger, clock), exchange)
        return
    from policy_engine.adapters.redis_buckets import RedisBuckets

    async with contextlib.aclosing(RedisBuckets(settings.redis_url.get_secret_value(), own)) as shared:
        buckets: Buckets = shared
        yield Counting(Limiter(rules, buckets, ledger, clock), exchange)
