"""The rig: see rig.py."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.audit_ledger.rig import Rig, opened
from tests.frozen_clock import FrozenClock


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--kills N`: how often the crash test kills (pytest knows it when told to run this folder or a file of it)."""
    parser.addoption("--kills", type=int, default=None, help="how often test_crash.py kills the ledger")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """Return how often to kill: `--kills`, GRIDWARDEN_KILLS, or 200."""
    wanted: int | None = request.config.getoption("--kills", default=None)
    return wanted or int(os.environ.get("GRIDWARDEN_KILLS", "200"))


@pytest.fixture
async def rig(make_database: Callable[..., Any], tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Rig]:
    """A ledger's parts on a fresh database and a fresh folder."""
    async with opened(make_database, tmp_path, clock) as made:
        yield made
