"""What one subscriber was given, the next gets without a second look at the ledger."""

from control_plane.shared_reading import SharedReading
from shared_kernel.events import SealedEvent


class Ledger:
    """Ten entries; counts how often it was read."""

    def __init__(self, gap: int | None = None) -> None:
        self.reads = 0
        self.events = [SealedEvent(seq, 0, {"seq": seq}) for seq in range(10) if seq != gap]

    async def follow(self, after: int, limit: int) -> list[SealedEvent]:
        self.reads += 1
        return [event for event in self.events if event.seq >= after][:limit]

    async def wait_beyond(self, seq: int, _timeout_s: float) -> object:
        return seq < len(self.events)


async def test_two_who_read_the_same_read_it_once() -> None:
    ledger = Ledger()
    shared = SharedReading(ledger)

    first, second = await shared.read(2, 5), await shared.read(2, 5)

    assert [event.seq for event in first] == [2, 3, 4, 5, 6]
    assert second == first
    assert ledger.reads == 1


async def test_one_who_is_behind_or_wants_less_gets_what_there_is_of_it() -> None:
    ledger = Ledger()
    shared = SharedReading(ledger)
    await shared.read(2, 5)

    assert [event.seq for event in await shared.read(4, 2)] == [4, 5]
    assert [event.seq for event in await shared.read(6, 9)] == [6]
    assert ledger.reads == 1
    assert [event.seq for event in await shared.read(7, 9)] == [7, 8, 9]
    assert [event.seq for event in await shared.read(0, 1)] == [0]
    assert ledger.reads == 3


async def test_nothing_yet_is_asked_again() -> None:
    ledger = Ledger()
    shared = SharedReading(ledger)

    assert await shared.read(10, 5) == []
    ledger.events.append(SealedEvent(10, 0, {}))

    assert [event.seq for event in await shared.read(10, 5)] == [10]


async def test_a_reading_with_a_gap_is_not_kept() -> None:
    ledger = Ledger(gap=4)
    shared = SharedReading(ledger)

    for _ in range(2):
        assert [event.seq for event in await shared.read(3, 3)] == [3, 5, 6]

    assert ledger.reads == 2
