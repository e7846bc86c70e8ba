"""Of many who bring one reference at the same moment exactly one gets a code: also in two processes."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from tests.conftest import DatabaseMaker
from tests.identity.authorization.contender import codes
from tests.identity.authorization.kit import fapi, logged_in, pushed
from tests.identity.world import World

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
async def database_url(make_database: DatabaseMaker) -> str:
    """A database that a second process can find too."""
    return await make_database("identity")


@pytest.fixture
async def app_pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """The pool under `world`."""
    pool = await open_pool(database_url, APP, size=8)
    yield pool
    await pool.close()


async def test_two_processes_give_one_code_for_one_reference(world: World, database_url: str, tmp_path: Path) -> None:
    """RFC 9126 section 7.3."""
    reference = await pushed(world, await fapi(world))
    async with world.browser() as browser:
        await logged_in(world, browser)
        cookie = browser.cookies["__Host-gw_session"]
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.identity.authorization.contender", database_url, str(tmp_path / "keys"), "20",
        cookie, reference, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    assert other.stdout is not None
    while await other.stdout.readline() != b"ready\n":
        assert other.returncode is None

    here, (said, _) = await asyncio.gather(codes(world.provider, 20, cookie, reference), other.communicate(b"go\n"))

    assert here + int(said.split()[-1]) == 1
