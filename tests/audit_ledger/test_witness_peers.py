"""Our witness and our follower against the reference implementations: Tessera's log, transparency-dev's witness."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2 as httpx
import pytest

from audit_ledger.adapters.witness_files import WitnessFolder
from audit_ledger.domain.c2sp.add_checkpoint import AddCheckpoint
from audit_ledger.domain.c2sp.checkpoint import read_unverified
from audit_ledger.domain.c2sp.cosignature import Cosigner
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.domain.c2sp.policy_file import read_policy
from audit_ledger.http.witness import witness_app
from audit_ledger.service.witness.witness import Witness
from control_plane.gateway.protocol import StrictProtocol
from control_plane.server import Listener, listen, serve
from shared_kernel.clock import SystemClock
from tests.audit_ledger.rig import Rig
from tests.audit_ledger.street import Street, counted, followed
from tests.audit_ledger.toy_log import ToyLog, leaves
from tests.servers.transparency import reference_witness, tessera_log

pytestmark = pytest.mark.slow
SIGNER = NoteSigner("tessera.example/log", bytes(range(32)))
DEADLINE_S = 20


@pytest.fixture
async def our_witness(tmp_path: Path) -> AsyncIterator[tuple[WitnessFolder, str]]:
    """Our witness, watching Tessera's log, on a port."""
    folder = WitnessFolder(tmp_path / "witness")
    witness = Witness(folder.cosigner(), [SIGNER.verifier], folder, SystemClock())
    bound, stop = listen("127.0.0.1", 0, option="-"), asyncio.Event()
    task = asyncio.create_task(serve([Listener(witness_app(witness), bound, StrictProtocol)], stop))
    yield folder, f"http://127.0.0.1:{bound.getsockname()[1]}"
    stop.set()
    await task


async def test_a_tessera_log_is_cosigned_by_our_witness_whenever_it_grows(
    our_witness: tuple[WitnessFolder, str], tmp_path: Path,
) -> None:
    folder, url = our_witness
    lines = f"witness w {folder.cosigner().verifier} {url}\ngroup g all w\nquorum g\n"
    policy = read_policy(lines.encode()).for_log(SIGNER.verifier)

    async with (
        in_thread(tessera_log(tmp_path / "log", SIGNER.to_secret_text(), lines)) as log,
        httpx.AsyncClient(base_url=log) as client, asyncio.timeout(DEADLINE_S),
    ):
        for size in (1, 2, 7, 20):
            while int((await client.post("/add", content=str(size))).text) + 1 < size:
                pass
            note = await checkpoint_of(client, size)
            found = policy.judge(note, now_s=SystemClock().now_us() // 1_000_000)
            assert found.has_quorum
            assert [each.witness for each in found.cosigned] == ["w"]
    [last] = [read_unverified(note) for note in folder.notes()]
    assert last.size >= 20


@asynccontextmanager
async def in_thread(server: AbstractContextManager[str]) -> AsyncIterator[str]:
    """Start a server that asks us before it is ready."""
    url = await asyncio.to_thread(server.__enter__)
    try:
        yield url
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


async def checkpoint_of(client: httpx.AsyncClient, size: int) -> bytes:
    """Wait until a checkpoint of at least this size is published, which it is only with its quorum."""
    while True:
        note = (await client.get("/checkpoint")).content
        if note.count(b"\n") > 3 and read_unverified(note).size >= size:
            return note
        await asyncio.sleep(0.05)


@pytest.fixture
async def street(rig: Rig, tmp_path: Path) -> AsyncIterator[Street]:
    """Where the reference witness moves in."""
    async with AsyncExitStack() as stack:
        yield Street(rig, tmp_path / "street", stack)


THEIRS = Cosigner(NoteSigner("witness.example/reference", bytes(range(2, 34))))


async def test_the_reference_witness_cosigns_our_ledger_whenever_it_grows(street: Street) -> None:
    street.rig.clock.at_us = SystemClock().now_us()
    with reference_witness(THEIRS.signer.to_secret_text(), str(street.rig.signer.verifier)) as url:
        policy = read_policy(f"witness w {THEIRS.verifier} {url}\nquorum w\n".encode())
        async with followed(street, policy) as here:
            for entries in (1, 6, 40):
                checkpoint = await here.published(entries)
                status = await here.until(counted(checkpoint.size))

            assert (status.quorum_size, status.witnesses[0].error) == (checkpoint.size, None)
            assert len(await here.cosigned()) >= 3


@pytest.mark.parametrize("size", [4, 6])
async def test_the_reference_witness_catches_our_split_view_too(street: Street, size: int) -> None:
    street.rig.clock.at_us = SystemClock().now_us()
    other = ToyLog(street.rig.signer, leaves(60, "other"))
    with reference_witness(THEIRS.signer.to_secret_text(), str(street.rig.signer.verifier)) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.post("/add-checkpoint", content=other.request(0, size))).status_code == 200
        policy = read_policy(f"witness w {THEIRS.verifier} {url}\nquorum w\n".encode())
        async with followed(street, policy) as here:
            await here.published(5)

            await here.until(lambda status: f"it saw {size} entries that this ledger does not begin with" in (
                status.witnesses[0].error or ""))

            assert here.file.read() is None


async def test_two_witnesses_answer_the_same_questions_alike(street: Street) -> None:
    """Another tree of one size is 409 to us, 422 to them (C2SP's newer draft); `020` is 20 to them."""
    log = ToyLog(street.rig.signer)
    fork = log.forked_after(7)
    await street.open("w1")
    questions = [log.request(0, 0), log.request(0, 1), log.request(1, 10), log.request(0, 10), log.request(10, 10),
                 AddCheckpoint(10, (), log.note(9)).to_bytes(), fork.request(10, 20), log.request(11, 20),
                 log.request(10, 20), b"old 20\n", b"old +20\n\n" + log.note(21), ToyLog(SIGNER).request(0, 5)]
    differing = [b"old 020\n\n" + log.note(21), fork.request(20, 20)]
    with reference_witness(THEIRS.signer.to_secret_text(), str(street.rig.signer.verifier)) as theirs:
        ours = f"http://127.0.0.1:{street.ports['w1']}"
        async with httpx.AsyncClient() as client:
            told = [[(answer.status_code, answer.text if answer.status_code == 409 else "") for answer in [
                await client.post(f"{url}/add-checkpoint", content=question) for question in questions + differing]]
                for url in (ours, theirs)]

    assert told[0][:-2] == told[1][:-2]
    assert [[status for status, _ in each[-2:]] for each in told] == [[400, 409], [422, 422]]
