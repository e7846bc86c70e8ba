"""A courier is killed between the client's answer and its mark: at least once, and recognizable by the same jti."""

import asyncio
import sys
from pathlib import Path

import pytest

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from identity.domain.deliveries import LEASE_US
from tests.conftest import DatabaseMaker
from tests.frozen_clock import FrozenClock
from tests.identity.logout.steps import listen, log_out, tokens_in, told
from tests.identity.receiver import Receiver, reaching_world

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
async def test_a_killed_courier_forgets_nothing(
        make_database: DatabaseMaker, clock: FrozenClock, tmp_path: Path, receiver: Receiver) -> None:
    url = await make_database("identity")
    pool = await open_pool(url, APP, size=4)
    receiver.delay_s = 30
    async with reaching_world(pool, clock, tmp_path) as world:
        await listen(world, receiver)
        async with world.browser() as browser:
            await tokens_in(world, browser)
            await log_out(browser)
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.identity.logout.courier_process", url, str(tmp_path), str(clock.at_us),
            cwd=ROOT)
        async with asyncio.timeout(60):
            await receiver.arrived.wait()

        beside_it = await world.provider.logout_courier.deliver_due()
        child.kill()
        await child.wait()
        receiver.delay_s = 0
        clock.advance(LEASE_US / 1_000_000 + 1)
        after_it = await world.provider.logout_courier.deliver_due()

        ids = [(await told(world, sent.field("logout_token")))[1]["jti"] for sent in receiver.received]
        assert (beside_it, after_it) == (0, 1)
        assert len(ids) == 2
        assert len(set(ids)) == 1
    await pool.close()
