"""A courier in a process of its own, to be killed: `python -m ... URL KEYS AT_US`."""

import asyncio
import sys
from pathlib import Path

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from tests.frozen_clock import FrozenClock
from tests.identity.receiver import provider_on


async def main(url: str, keys: str, at_us: str) -> None:
    """Deliver once what is due at that time."""
    pool = await open_pool(url, APP, size=2)
    provider = provider_on(pool, FrozenClock(int(at_us)), Path(keys))[0]
    await provider.logout_courier.deliver_due()


asyncio.run(main(*sys.argv[1:]))
