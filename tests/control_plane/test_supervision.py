"""Background work is restarted, counted and named; it never dies in silence."""

import asyncio

import pytest

from control_plane.supervision import Supervisor
from shared_kernel.errors import UnavailableError


async def test_work_that_fails_is_named_by_readiness_and_restarted() -> None:
    runs = 0
    supervisor = Supervisor()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ValueError("first time")
        await asyncio.Event().wait()

    supervisor.start("work", work)
    while not runs:  # noqa: ASYNC110 - the work has no event to wait for
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError, match="work: ValueError"):
        await supervisor.check()
    async with asyncio.timeout(60):
        while runs < 2:  # noqa: ASYNC110 - the work has no event to wait for
            await asyncio.sleep(0.05)

    assert runs == 2
    await supervisor.stop()


async def test_work_that_ends_well_is_not_restarted() -> None:
    runs = 0
    supervisor = Supervisor()

    async def work() -> None:
        nonlocal runs
        runs += 1

    supervisor.start("work", work)
    await asyncio.sleep(0.05)
    await supervisor.check()

    assert runs == 1
    await supervisor.stop()


async def test_work_whose_connection_breaks_while_it_is_cancelled_ends() -> None:
    supervisor = Supervisor()
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as cause:
            raise UnavailableError("the connection was closed in the middle of operation") from cause

    supervisor.start("work", work)
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await supervisor.stop()

    assert runs == 1


async def test_work_whose_group_failed_is_restarted() -> None:
    supervisor = Supervisor()
    runs = 0

    async def fail() -> None:
        raise ValueError

    async def work() -> None:
        nonlocal runs
        runs += 1
        async with asyncio.TaskGroup() as group:  # Python 3.11 leaves `cancelling()` of the parent at 1
            group.create_task(fail())

    supervisor.start("work", work)
    async with asyncio.timeout(10):
        while runs < 2:  # noqa: ASYNC110 - the work has no event to wait for
            await asyncio.sleep(0.05)
    await supervisor.stop()
