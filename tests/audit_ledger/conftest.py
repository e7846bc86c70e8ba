"""The rig: see rig.py."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.audit_ledger.rig import Rig, opened
from tests.frozen_clock import FrozenClock


@pytest.fixture
async def rig(make_database: Callable[..., Any], tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Rig]:
    """A ledger's parts on a fresh database and a fresh folder."""
    async with opened(make_database, tmp_path, clock) as made:
        yield made
