"""The house as these tests meet it: real tables, connectors that remember, a clock that stands still."""

from pathlib import Path

import asyncpg
import pytest

from tests.frozen_clock import FrozenClock
from tests.soar_playbooks.house import City, city


@pytest.fixture
def here(app_pool: asyncpg.Pool, clock: FrozenClock, tmp_path: Path) -> City:
    return city(app_pool, clock, tmp_path)
