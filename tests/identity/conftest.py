"""A provider on a real database for every test that asks for the world."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from identity.adapters.key_files import KeyFiles
from identity.service import IdentityProvider
from identity.store.database import Database
from tests.frozen_clock import FrozenClock
from tests.identity.world import ISSUER, ListRecorder, World


@pytest.fixture
async def world(app_pool: asyncpg.Pool, clock: FrozenClock, tmp_path: Path) -> AsyncIterator[World]:
    """A provider with people and clients."""
    recorder = ListRecorder()
    provider = IdentityProvider(Database(app_pool), recorder, clock, issuer=ISSUER, keys=KeyFiles(tmp_path / "keys"))
    found = World(provider, recorder, clock, app_pool)
    await found.people()
    yield found
    provider.close()
