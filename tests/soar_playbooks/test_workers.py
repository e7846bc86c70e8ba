"""Workers share runs by leases: each run is done once, whoever stops, starts or is overtaken."""

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg

from soar_playbooks.domain.run import RunStatus, StepState
from tests.frozen_clock import FrozenClock
from tests.soar_playbooks.house import (
    City,
    alert,
    city,
    only_run,
    person,
)

ANA = person("ana")


async def test_a_worker_that_stops_gives_its_runs_back_and_another_finishes_them(
    here: City, app_pool: asyncpg.Pool, clock: FrozenClock,
) -> None:
    hanging = asyncio.Event()

    async def hang(_params: Mapping[str, str], _key: str) -> Mapping[str, Any]:
        hanging.set()
        await asyncio.sleep(60)
        return {}

    here.connectors["lock_account"].behave = hang
    await here.responder.observe("ledger", [alert("mallory")])
    async with here.working():
        await hanging.wait()
    other = city(app_pool, clock, here.folder)

    story = await other.work_off(await only_run(other))

    assert [step.resumptions for step in story.steps] == [1, 0]
    assert len(other.connectors["lock_account"].calls) == 1


async def test_two_workers_share_fifty_runs_and_do_each_once(
    here: City, app_pool: asyncpg.Pool, clock: FrozenClock,
) -> None:
    other = city(app_pool, clock, here.folder)
    await here.responder.observe(
        "ledger", [alert(f"user-{n}", alert_id=f"alert-{n}", seq=n) for n in range(50)],
    )
    async with here.working(), other.working():
        for run in await here.responder.runs(None, 100):
            await here.until(run.run_id, RunStatus.DONE)

    accounts = [call["account"] for one in (here, other) for call in one.connectors["lock_account"].calls]
    assert sorted(accounts) == sorted(f"user-{n}" for n in range(50))


async def test_a_worker_whose_lease_was_taken_writes_nothing(here: City, app_pool: asyncpg.Pool) -> None:
    async def lose_the_lease(_params: Mapping[str, str], _key: str) -> Mapping[str, Any]:
        await app_pool.execute("UPDATE soar_playbooks.runs SET lease_owner = 'somebody else'")
        return {}

    here.connectors["lock_account"].behave = lose_the_lease
    await here.responder.observe("ledger", [alert("mallory")])
    async with here.working():
        await asyncio.sleep(0.5)
        story = await here.responder.story(await only_run(here))

    assert [step.state for step in story.steps] == [StepState.INTENDED, StepState.PLANNED]
