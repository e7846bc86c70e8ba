"""Deadlines that share a timer keep what asyncio.timeout promises."""

import asyncio
import time

import pytest

from control_plane.gateway.deadlines import LOOK_S, Deadlines


async def test_what_takes_longer_is_ended_soon_after_its_deadline() -> None:
    deadlines, started = Deadlines(), time.monotonic()

    with pytest.raises(TimeoutError), deadlines.within(0.1):
        await asyncio.sleep(5)

    assert 0.1 <= time.monotonic() - started < 0.1 + LOOK_S + 0.4


async def test_what_is_quick_enough_is_left_alone_for_good() -> None:
    deadlines = Deadlines()

    for _ in range(3):
        with deadlines.within(0.05):
            await asyncio.sleep(0)
    await asyncio.sleep(0.2)

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_thousand_deadlines_end_those_that_are_late_and_no_other() -> None:
    deadlines = Deadlines()

    async def work(seconds: float) -> str:
        try:
            with deadlines.within(2):
                await asyncio.sleep(seconds)
        except TimeoutError:
            return "late"
        return "done"

    found = await asyncio.gather(*(work(20 if number % 2 else 0.01) for number in range(1_000)))

    assert [each for each in found[::2] if each != "done"] == []
    assert [each for each in found[1::2] if each != "late"] == []


async def test_the_sooner_of_two_nested_deadlines_counts() -> None:
    deadlines = Deadlines()

    with deadlines.within(5):
        with pytest.raises(TimeoutError), deadlines.within(0.05):
            await asyncio.sleep(5)
        await asyncio.sleep(0.1)


async def test_a_cancelled_task_is_cancelled_and_not_late() -> None:
    deadlines = Deadlines()

    async def work() -> None:
        with deadlines.within(5):
            await asyncio.sleep(5)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_work_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError), Deadlines().within(5):
        raise ZeroDivisionError


def test_one_set_of_deadlines_serves_one_event_loop_after_another() -> None:
    deadlines = Deadlines()

    async def late() -> None:
        with pytest.raises(TimeoutError), deadlines.within(0.05):
            await asyncio.sleep(5)

    asyncio.run(late())
    asyncio.run(late())
