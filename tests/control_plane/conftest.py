"""A console before a scripted gateway."""

import pytest

from tests.control_plane.console_city import City


@pytest.fixture
async def city() -> City:
    """Somebody has signed in."""
    found = City()
    await found.sign_in()
    return found
