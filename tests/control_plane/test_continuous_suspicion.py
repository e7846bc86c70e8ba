"""A grant once used as its person never does stays suspect, everywhere, for a while, within bounds."""

import asyncio

import pytest

from control_plane.continuous.suspicion import HELD_US, MAX_HELD, Suspicion

NOW_US = 1_000_000


class Told:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    async def __call__(self, topic: str, key: str) -> None:
        self.said.append((topic, key))


async def test_a_high_score_is_held_against_the_grant_and_told() -> None:
    told = Told()
    suspicion = Suspicion(told)

    suspicion.seen("g-1", 91, NOW_US)
    suspicion.seen("g-1", 95, NOW_US)
    await asyncio.sleep(0)

    assert suspicion.of("g-1", NOW_US) == 91
    assert told.said == [("risk", "g-1 91")]


async def test_a_moderate_score_is_about_its_request_only() -> None:
    suspicion = Suspicion(Told())

    suspicion.seen("g-1", 79, NOW_US)

    assert suspicion.of("g-1", NOW_US) == 0


async def test_suspicion_ends_after_a_quarter_of_an_hour() -> None:
    suspicion = Suspicion(Told())

    suspicion.heard("g-1 91", NOW_US)

    assert suspicion.of("g-1", NOW_US + HELD_US - 1) == 91
    assert suspicion.of("g-1", NOW_US + HELD_US) == 0


@pytest.mark.parametrize("key", ["g-1", "g-1 ", "g-1 x", "g-1 -5", "g-1 ٣"])
async def test_nonsense_on_the_channel_changes_nothing(key: str) -> None:
    suspicion = Suspicion(Told())

    assert suspicion.heard(key, NOW_US) == "g-1"

    assert suspicion.of("g-1", NOW_US) == 0


async def test_memory_is_bounded() -> None:
    suspicion = Suspicion(Told())

    for number in range(MAX_HELD + 10):
        suspicion.heard(f"g-{number} 90", NOW_US)

    assert suspicion.of(f"g-{MAX_HELD + 9}", NOW_US) == 90
    assert suspicion.of("g-0", NOW_US) == 0
