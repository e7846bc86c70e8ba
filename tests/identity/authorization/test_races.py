"""Of many who bring one reference at the same moment exactly one gets a code: also in two processes."""

import asyncio
import sys
from pathlib import Path

from tests.identity.authorization.contender import codes
from tests.identity.authorization.kit import fapi, logged_in, pushed
from tests.identity.world import World

ROOT = Path(__file__).resolve().parents[3]


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
