"""What the start made is left out of later collections."""

import gc
from collections.abc import Iterator

import pytest

from control_plane.memory import NEW_CONTAINERS, settle_memory


@pytest.fixture
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_what_lives_at_the_start_is_walked_no_more_and_cycles_still_go() -> None:
    class Cycle:
        """Refers to itself."""

        def __init__(self) -> None:
            self.me = self

    settle_memory()
    frozen, made = gc.get_freeze_count(), [Cycle() for _ in range(10)]
    del made

    assert frozen > 1_000
    assert gc.get_threshold()[0] == NEW_CONTAINERS
    assert gc.collect() >= 10
