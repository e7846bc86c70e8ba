"""A decision point to ask."""

import asyncio

import pytest

from policy_engine.service import PolicyEngine
from tests.policy_engine.authzen.authzen_city import Asking, asking, deciding


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> PolicyEngine:
    """Return one engine for all tests: it remembers nothing of them but decisions."""
    return asyncio.run(deciding(tmp_path_factory.mktemp("bundle")))


@pytest.fixture
def pdp(engine: PolicyEngine) -> Asking:
    """Return a client of a fresh decision point."""
    return asking(engine)
