"""Of many who show one assertion or one proof at the same moment exactly one is let in: here, and in two processes."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.identity.client_desk import RESOURCE_URL, ClientDesk
from tests.identity.client_kit import Holder
from tests.identity.clients.contender import contend

ROOT = Path(__file__).resolve().parents[3]


class OtherProcess:
    """A second process on the same database."""

    def __init__(self, url: str, keys: Path) -> None:
        self._arguments = ("-m", "tests.identity.clients.contender", url, str(keys), "20")
        self._process: asyncio.subprocess.Process

    async def start(self, *shown: str) -> None:
        """Start, and wait until it only waits for us."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *self._arguments, *shown, cwd=ROOT, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        while await self._process.stdout.readline() != b"ready\n":
            assert self._process.returncode is None

    async def go(self) -> list[int]:
        """Let it try; answer how often each was taken."""
        said, _ = await self._process.communicate(b"go\n")
        return [int(each) for each in said.split()[-2:]]


@pytest.fixture
def other_process(database_url: str, tmp_path: Path) -> OtherProcess:
    """The second process of a race, on the database of `desk`."""
    return OtherProcess(database_url, tmp_path / "keys")


async def test_one_of_twenty_is_let_in_by_one_assertion_and_one_by_one_proof(desk: ClientDesk) -> None:
    """RFC 7523 section 3, RFC 9449 section 11.1."""
    holder = await desk.holder(profile="baseline")

    counts = await contend(desk.provider, 20, holder.assertion(), holder.proof())

    assert counts == (1, 1)


async def test_one_of_twenty_requests_at_a_resource_is_let_in_by_one_proof(desk: ClientDesk) -> None:
    """RFC 9449 section 11.1."""
    await desk.register()
    holder = Holder("c1", desk.clock)
    token = await desk.token(jkt=holder.dpop.jkt)
    proof = holder.proof("GET", RESOURCE_URL, access_token=token)

    found = await asyncio.gather(*[desk.present(f"DPoP {token}", proof) for _ in range(20)], return_exceptions=True)

    assert sum(not isinstance(each, BaseException) for each in found) == 1


@pytest.mark.slow
async def test_one_of_forty_in_two_processes_is_let_in(other_process: OtherProcess, desk: ClientDesk) -> None:
    """RFC 7523 section 3, RFC 9449 section 11.1: what was seen is seen everywhere."""
    holder = await desk.holder(profile="baseline")

    shown = (holder.assertion(), holder.proof())
    await other_process.start(*shown)

    theirs, ours = await asyncio.gather(other_process.go(), contend(desk.provider, 20, *shown))

    assert [mine + other for mine, other in zip(ours, theirs, strict=True)] == [1, 1]
