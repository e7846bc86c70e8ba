"""A change reaches every memory that could contradict it before any stream is judged again."""

from typing import Any, cast

import pytest

from control_plane.continuous.changes import Changes
from control_plane.continuous.verification import Reactions
from tests.control_plane.gateway_city import START_US, watchful
from tests.frozen_clock import FrozenClock


class Memory:
    """Writes down what it is told to forget; stands for identity and for the policy engine."""

    def __init__(self, said: list[str]) -> None:
        self._said = said

    def __getattr__(self, name: str) -> Any:
        return lambda *keys: self._said.append(" ".join((name, *keys)))


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def changes(said: list[str]) -> Changes:
    clock, memory = FrozenClock(START_US), cast("Any", Memory(said))
    verification = watchful(clock)
    cast("Any", verification.streams).changed = memory.streams_changed
    cast("Any", verification.streams).missed = memory.streams_missed
    found = Changes("postgresql://nobody")
    Reactions(memory, memory, verification, clock).listen(found)
    return found


@pytest.mark.parametrize(("payload", "wanted"), [
    ("grant g-1", ["forget_grant g-1", "forget", "streams_changed grant g-1"]),
    ("session s-1", ["forget_all", "forget", "streams_changed session s-1"]),
    ("subject u-1", ["forget_all", "forget_subject u-1", "streams_changed subject u-1"]),
    ("client c-1", ["forget_all", "forget", "streams_changed client c-1"]),
    ("risk g-1 90", ["streams_changed grant g-1"]),
    ("weather sunny", []),
])
def test_each_topic_is_forgotten_where_it_is_remembered(
        changes: Changes, said: list[str], payload: str, wanted: list[str]) -> None:
    changes._take(None, 0, "", payload)

    assert said == wanted


def test_a_gap_forgets_everything(changes: Changes, said: list[str]) -> None:
    changes._set_deaf(is_deaf=True)

    assert said == ["forget_all", "forget", "streams_missed"]
