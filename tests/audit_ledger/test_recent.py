"""What was sealed a moment ago is given to followers as it was recorded, exactly as the database would give it."""

from typing import Any

from audit_ledger.service.recent import FRESH_S, MAX_KEPT, Recent
from shared_kernel.events import Receipt
from tests.audit_ledger.rig import Rig

HASH = b"\x01" * 32


class Watch:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def __call__(self) -> float:
        return self.at_s


def kept(recent: Recent, first: int, end: int, at_us: int = 7) -> None:
    recent.batch(first, end, at_us)
    for seq in range(first, end):
        recent.keep(Receipt(seq, HASH), {"n": seq}, 0)


async def test_memory_gives_what_the_database_gives(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()
    for number in range(20):
        await ledger.record(rig.event(number, message="ë"))
    size = ledger.head().size

    from_memory = await ledger.follow(1, 100)
    ledger._recent.enter(1)
    from_database = await ledger.read(1, 100)

    assert from_memory == from_database
    assert len(from_memory) == size - 1
    await ledger.stop()


def test_a_page_ends_at_the_first_gap() -> None:
    recent = Recent(Watch())
    kept(recent, 0, 3)
    kept(recent, 3, 5, 8)
    recent.batch(5, 6, 9)

    assert [(each.seq, each.recorded_at_us) for each, _ in recent.read(1, 5)] == [(1, 7), (2, 7), (3, 8), (4, 8)]
    assert len(recent.read(1, 9)) == 4
    assert (recent.gap(5, 9), recent.gap(9, 9)) == (4, 0)
    assert recent.read(5, 6) == recent.read(5, 5) == []


def test_only_what_is_missing_is_read_back() -> None:
    recent = Recent(Watch())
    recent.batch(0, 6, 7)
    recent.keep(Receipt(3, HASH), {"n": 3}, 0)

    assert (recent.read(0, 6), recent.gap(0, 6)) == ([], 3)
    assert [each.seq for each, _ in recent.read(3, 6)] == [3]


def test_what_another_process_sealed_is_given_as_closed() -> None:
    recent = Recent(Watch())
    recent.batch(0, 2, 7)
    recent.keep(Receipt(0, HASH), {"n": 0}, 0)
    recent.keep_closed(Receipt(1, HASH), {"n": 1})

    assert [is_closed for _, is_closed in recent.read(0, 2)] == [False, True]


def test_nothing_older_than_two_seconds_is_given() -> None:
    watch = Watch()
    recent = Recent(watch)
    kept(recent, 0, 2)

    watch.at_s = FRESH_S + 0.1

    assert recent.read(0, 2) == []


def test_another_era_knows_nothing_of_the_last() -> None:
    recent = Recent(Watch())
    kept(recent, 0, 2)

    recent.enter(1)
    recent.keep(Receipt(2, HASH), {"n": 2}, 0)
    recent.batch(2, 3, 8)

    assert recent.read(0, 2) == []
    assert recent.read(2, 3) == []


def test_what_json_would_change_is_read_back() -> None:
    recent = Recent(Watch())
    recent.batch(0, 1, 7)

    event: dict[str, Any] = {"list": (1, 2)}
    recent.keep(Receipt(0, HASH), event, 0)

    assert recent.read(0, 1) == []


def test_memory_is_bounded() -> None:
    recent = Recent(Watch())
    kept(recent, 0, MAX_KEPT + 5)

    assert recent.read(0, 3) == []
    assert len(recent.read(5, MAX_KEPT + 5)) == MAX_KEPT
