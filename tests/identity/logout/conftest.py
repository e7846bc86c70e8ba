"""A provider that may call loopback."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.frozen_clock import FrozenClock
from tests.identity.receiver import reaching_world
from tests.identity.world import World


@pytest.fixture
async def world(app_pool: asyncpg.Pool, clock: FrozenClock, tmp_path: Path) -> AsyncIterator[World]:
    """A provider with people and clients."""
    async with reaching_world(app_pool, clock, tmp_path) as found:
        yield found
