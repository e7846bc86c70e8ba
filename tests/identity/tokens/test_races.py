"""Exactly one wins: many at once in one process, in two, and when one of them is killed in mid-claim."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from pathlib import Path

import asyncpg
import pytest

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from identity.adapters.key_files import KeyFiles
from identity.service import IdentityProvider
from identity.store.database import Database
from tests.identity.tokens.kit import DEVICE, code_for, introspected, redemption, register, token
from tests.identity.tokens.test_device import allow, begin, box
from tests.identity.world import CALLBACK, ISSUER, ListRecorder, World

ROOT = Path(__file__).resolve().parents[3]
AT_ONCE = 10


class Sibling:
    """Starts other processes on the same database with the same keys."""

    def __init__(self, world: World, url: str, keys: Path) -> None:
        self._world = world
        self.url = url
        self.keys = keys

    async def start(self, fields: dict[str, str], *rest: str) -> Process:
        """Start one that will ask the token endpoint; return when it is ready."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.identity.tokens.other_process", self.url, str(self.keys),
            str(self._world.clock.now_us()), str(AT_ONCE if not rest else 1), json.dumps(fields), *rest,
            stdin=PIPE, stdout=PIPE, cwd=ROOT)
        await self.line(process, "ready")
        return process

    async def line(self, process: Process, wanted: str = "") -> str:
        """Return the next line that is (or, unnamed, may be) the one waited for; logs go by."""
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while True:
                text = (await process.stdout.readline()).decode().strip()
                if text == wanted or (not wanted and text.startswith("[")) or not text:
                    return text

    async def go(self, process: Process) -> None:
        """Let it begin."""
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        await process.stdin.drain()


@pytest.fixture
async def sibling(world: World, postgres_url: str, tmp_path: Path) -> Sibling:
    """Return the starter of other processes."""
    name = await world.pool.fetchval("SELECT current_database()")
    head, _, tail = postgres_url.partition("?")
    url = f"{head.rpartition('/')[0]}/{name}" + (f"?{tail}" if tail else "")
    return Sibling(world, url, tmp_path / "keys")


async def raced(world: World, sibling: Sibling, fields: dict[str, str]) -> Counter[str]:
    """Ask in both processes at once; return how often each answer came."""
    process = await sibling.start(fields)
    await sibling.go(process)
    here = await asyncio.gather(*(token(world, fields, {}) for _ in range(AT_ONCE)))
    there = json.loads(await sibling.line(process))
    await process.wait()
    return Counter([*there, *("ok" if answer.status_code == 200 else answer.json()["error"] for answer in here)])


async def confidential(world: World) -> tuple[dict[str, str], dict[str, str]]:
    who = await register(world, "site")
    first = (await token(world, redemption(await code_for(world, "site")), who)).json()
    return who, {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}


async def test_twenty_refreshes_at_once_give_exactly_one_answer(world: World) -> None:
    """RFC 9700 section 4.14.2."""
    who, fields = await confidential(world)

    answers = await asyncio.gather(*(token(world, fields, who) for _ in range(20)))

    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 19}


async def test_twenty_redemptions_at_once_leave_nothing_alive(world: World) -> None:
    """RFC 6749 section 4.1.2: nineteen replays kill what the one got."""
    who, code = await register(world, "site"), await code_for(world, "site")

    answers = await asyncio.gather(*(token(world, redemption(code), who) for _ in range(20)))

    won = next(answer.json() for answer in answers if answer.status_code == 200)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 19}
    assert (await introspected(world, won["access_token"])).json() == {"active": False}


async def test_a_code_raced_by_two_processes_is_redeemed_once(world: World, sibling: Sibling) -> None:
    """RFC 6749 section 4.1.2, across processes."""
    fields = redemption(await code_for(world, "app"), client_id="app")

    assert await raced(world, sibling, fields) == {"ok": 1, "invalid_grant": 2 * AT_ONCE - 1}


async def test_a_refresh_token_raced_by_two_processes_is_used_once(world: World, sibling: Sibling) -> None:
    """RFC 9700 section 4.14.2, across processes."""
    await world.provider.ensure_client("site", redirect_uris=[CALLBACK], secret="s" * 43)
    proof = {"client_id": "site", "client_secret": "s" * 43}
    first = (await token(world, redemption(await code_for(world, "site")) | proof, {})).json()
    fields = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]} | proof

    assert await raced(world, sibling, fields) == {"ok": 1, "invalid_grant": 2 * AT_ONCE - 1}


async def test_a_device_code_raced_by_two_processes_is_redeemed_once(world: World, sibling: Sibling) -> None:
    """RFC 8628 section 3.5, across processes: the losers were either too fast or too late, never served."""
    await box(world)
    begun = await begin(world)
    await allow(world, begun)

    found = await raced(world, sibling, {"grant_type": DEVICE, "device_code": begun["device_code"],
                                         "client_id": "box"})

    assert found == {"ok": 1, "invalid_grant": 2 * AT_ONCE - 1}


@pytest.mark.parametrize("what", ["code", "refresh"])
async def test_a_process_killed_between_claim_and_commit_loses_nothing(world: World, sibling: Sibling,
                                                                       what: str) -> None:
    """Our invariant: what was not answered was not spent, and nothing was issued."""
    fields = redemption(await code_for(world, "app"), client_id="app")
    if what == "refresh":
        first = (await token(world, fields, {})).json()
        fields = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], "client_id": "app"}
    process = await sibling.start(fields, "hang")
    await sibling.go(process)
    await sibling.line(process, "sealing")

    os.kill(process.pid, signal.SIGKILL)
    await process.wait()

    assert (await token(world, fields, {})).status_code == 200


async def test_a_token_revoked_in_one_process_is_dead_in_another_within_two_seconds(
        world: World, sibling: Sibling) -> None:
    """The design: at once where it was revoked, two seconds later everywhere."""
    pool: asyncpg.Pool = await open_pool(sibling.url, APP, size=2)
    other = IdentityProvider(Database(pool), ListRecorder(), world.clock, issuer=ISSUER, keys=KeyFiles(sibling.keys))
    issued = (await world.tokens())["access_token"]
    asker = world.gateway.context
    fields = [("token", issued), ("client_id", "machine"), ("client_secret", world.secret)]
    assert b'"active":true' in await other.introspect(fields, asker)

    await world.post("/oauth2/revoke", {"token": issued, "client_id": "app"})
    here = (await introspected(world, issued)).content
    world.clock.advance(2)
    there = await other.introspect(fields, asker)
    other.close()
    await pool.close()

    assert here == there == b'{"active":false}'
