"""A decision point to ask."""

from pathlib import Path

import pytest

from tests.policy_engine.authzen.authzen_city import Asking, asking


@pytest.fixture
async def pdp(tmp_path: Path) -> Asking:
    """Return a client of a fresh decision point."""
    return await asking(tmp_path)
