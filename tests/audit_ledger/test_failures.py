"""Failures that persisted, full disks, silent networks: nobody is told "sealed" who is not, and every drain ends."""

import asyncio
import contextlib
import os
import signal
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from audit_ledger.adapters.key_file import FileSigner
from audit_ledger.adapters.ledger_folder import LedgerFolder, NotKeptError
from audit_ledger.domain.errors import LedgerDownError, LedgerFullError, LostLeadError, UnknownOutcomeError
from audit_ledger.service import Ledger
from audit_ledger.store.writer import LedgerWriter
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_WRITER
from shared_kernel.errors import UnavailableError
from shared_kernel.events import Receipt
from tests.audit_ledger.postgres_proxy import PostgresProxy, proxied
from tests.audit_ledger.rig import Rig, kinds
from tests.audit_ledger.waiting import until, until_sealing

FEW, COMMIT = b"D\0\0\0\x12\0\1\0\0\0\x08\0\0\0\0\0\0\0\1", b"COMMIT\0"
"""What PostgreSQL answers to the statement that stores a few records (a row that holds the number 1), and to COMMIT."""


@dataclass(slots=True)
class Distant:
    """A ledger that reaches its database through a proxy."""

    proxy: PostgresProxy
    ledger: Ledger


@contextlib.asynccontextmanager
async def distant(rig: Rig, lease_s: float = 10.0) -> AsyncIterator[Distant]:
    """Start a ledger behind a proxy."""
    async with proxied(rig.url) as (proxy, url):
        pool = await open_pool(url, LEDGER_WRITER, size=3)
        writer = LedgerWriter(pool, rig.signer.name, lease_s=lease_s)
        ledger = Ledger(writer, rig.reader, signer=FileSigner(rig.signer), folder=rig.folder, clock=rig.clock,
                        publish_every_s=3600, heartbeat_every_s=3600)
        await ledger.start()
        yield Distant(proxy, ledger)
        await ledger.stop()
        pool.terminate()


@pytest.mark.parametrize(("crowd", "answer"), [(1, FEW), (100, COMMIT)])
async def test_a_commit_whose_answer_is_lost_on_the_way_persists_and_forks_nothing(
    rig: Rig, crowd: int, answer: bytes,
) -> None:
    async with distant(rig) as far:
        far.proxy.lose_answer(answer)
        refused = await asyncio.gather(
            *(far.ledger.record(rig.event(number)) for number in range(crowd)), return_exceptions=True)
        await until_sealing(far.ledger)

        assert {type(error) for error in refused} == {UnknownOutcomeError}
        assert far.proxy.cuts == 1
        assert (await far.ledger.record(rig.event(0))).seq == 1 + crowd
    assert kinds(await rig.verify()) == []


async def test_answers_lost_again_and_again_lose_no_acknowledged_entry(rig: Rig) -> None:
    receipts: list[Receipt] = []
    async with distant(rig) as far:
        for number in range(40):
            if number % 3 == 0:
                far.proxy.lose_answer(COMMIT)
            found = await asyncio.gather(
                *(far.ledger.record(rig.event(number)) for _ in range(60)), return_exceptions=True)
            receipts += [receipt for receipt in found if isinstance(receipt, Receipt)]
            await until_sealing(far.ledger)
        assert far.proxy.cuts == 14

    stored = {entry.seq: entry.entry_hash for entry in await rig.reader.entries(0, 10_000)}
    assert len(receipts) == 26 * 60
    assert len(stored) == 40 * 60 + 1
    assert all(stored[receipt.seq] == receipt.entry_hash for receipt in receipts)
    assert kinds(await rig.verify()) == []


async def test_a_silent_network_ends_the_lead_and_another_takes_it(rig: Rig) -> None:
    async with distant(rig, lease_s=0.6) as far:
        await far.ledger.record(rig.event(1))
        far.proxy.fall_silent()

        with pytest.raises((LostLeadError, LedgerDownError)):
            await far.ledger.record(rig.event(2))
        other = rig.ledger(patience_s=5)
        await other.start()
        assert (await other.record(rig.event(3))).seq == 3
        await other.stop()
        far.proxy.speak()
        await until_sealing(far.ledger)

        assert (await far.ledger.record(rig.event(4))).seq == 5
        assert [entry.seq for entry in await far.ledger.find(action="ledger_lead_regained")] == [4]
    assert kinds(await rig.verify()) == []


async def test_a_connection_that_ends_while_a_copy_is_stuck_leaves_nobody_waiting(rig: Rig) -> None:
    """COPY of asyncpg waits for ever on a connection that is lost while it takes no more bytes."""
    async with distant(rig, lease_s=1.0) as far:
        far.proxy.take_no_more_after(b"FROM STDIN")
        waiting = [
            asyncio.create_task(far.ledger.record(rig.event(number, padding={"x": "y" * 60_000})))
            for number in range(120)]
        await asyncio.sleep(0.4)

        far.proxy.hang_up()
        async with asyncio.timeout(5):
            answers = await asyncio.gather(*waiting, return_exceptions=True)
        far.proxy.speak()
        await until_sealing(far.ledger)

        assert all(isinstance(answer, LedgerDownError | LostLeadError) for answer in answers)
        assert (await far.ledger.record(rig.event(1))).seq == 1
    assert kinds(await rig.verify()) == []


async def test_a_crash_of_postgresql_itself_loses_no_acknowledged_entry(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()
    receipts: list[Receipt] = []

    async def hand() -> None:
        with contextlib.suppress(UnavailableError):
            while True:
                receipts.append(await ledger.record(rig.event(len(receipts))))

    hands = [asyncio.create_task(hand()) for _ in range(50)]
    await until(lambda: len(receipts) > 200)
    owner = await asyncpg.connect(rig.url)
    os.kill(await owner.fetchval("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"), signal.SIGKILL)
    await asyncio.gather(*hands)
    await until_sealing(ledger)

    await ledger.record(rig.event(0))
    await ledger.stop()
    stored = {entry.seq: entry.entry_hash for entry in await rig.reader.entries(0, 100_000)}
    assert all(stored[receipt.seq] == receipt.entry_hash for receipt in receipts)
    assert kinds(await rig.verify()) == []


async def test_a_drain_ends_although_the_database_is_silent(rig: Rig) -> None:
    async with distant(rig, lease_s=0.6) as far:
        waiting = [asyncio.create_task(far.ledger.record(rig.event(number))) for number in range(50)]
        await asyncio.sleep(0)
        far.proxy.fall_silent()

        async with asyncio.timeout(8):
            await far.ledger.stop()

        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(answer, UnavailableError | Receipt) for answer in answers)


async def test_a_stop_in_the_midst_of_a_recovery_ends(rig: Rig) -> None:
    async with distant(rig, lease_s=0.6) as far:
        far.proxy.fall_silent()
        with pytest.raises(UnavailableError):
            await far.ledger.record(rig.event(1))
        await asyncio.sleep(0.3)

        async with asyncio.timeout(5):
            await far.ledger.stop()

        with pytest.raises(UnavailableError, match="is not running"):
            await far.ledger.record(rig.event(2))


async def test_records_too_large_for_the_memory_are_refused_at_once(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()

    answers = await asyncio.gather(
        *(ledger.record(rig.event(number, padding={"x": "y" * 60_000})) for number in range(2_200)),
        return_exceptions=True)

    full = [answer for answer in answers if isinstance(answer, BaseException)]
    assert {type(error) for error in full} == {LedgerFullError}
    assert len(full) < 200
    assert (await ledger.record(rig.event(1))).seq == 2_200 - len(full) + 1
    await ledger.stop()


async def test_a_caller_who_gives_up_disturbs_nobody(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()

    tasks = [asyncio.create_task(ledger.record(rig.event(number))) for number in range(100)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)

    kept = [answer for answer in answers if isinstance(answer, Receipt)]
    assert len(kept) == 50
    assert len({receipt.seq for receipt in kept}) == 50
    await ledger.stop()
    assert kinds(await rig.verify()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte; root may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", folder],
                             capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small disk to fill: {mounted.stderr.strip()}")
    for parent in (tmp_path, *tmp_path.parents[:3]):
        with contextlib.suppress(PermissionError):
            parent.chmod(parent.stat().st_mode | 0o111)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=False)


async def test_a_full_disk_under_the_database_is_503_until_there_is_room(rig: Rig, small_disk: Path) -> None:
    owner = await asyncpg.connect(rig.url)
    place = small_disk / "space"
    place.mkdir()
    data = Path(await owner.fetchval("SHOW data_directory"))
    os.chown(place, data.stat().st_uid, data.stat().st_gid)
    name = f"small_{uuid.uuid4().hex[:8]}"
    await owner.execute(f"CREATE TABLESPACE {name} LOCATION '{place}'")
    await owner.execute(f"ALTER TABLE audit_ledger.entries SET TABLESPACE {name}")
    ballast = small_disk / "ballast"
    ledger = rig.ledger()
    await ledger.start()
    with contextlib.suppress(OSError):
        ballast.write_bytes(b"x" * 1_000_000)

    receipts, refused = [], []
    for number in range(60):
        answers = await asyncio.gather(
            *(ledger.record(rig.event(number, padding={"x": "y" * 3_000})) for _ in range(40)), return_exceptions=True)
        receipts += [answer for answer in answers if isinstance(answer, Receipt)]
        refused += [answer for answer in answers if isinstance(answer, BaseException)]
        if refused:
            break
    assert {type(error) for error in refused} <= {LedgerDownError, UnknownOutcomeError}
    ballast.unlink()
    await until_sealing(ledger)

    last = await ledger.record(rig.event(1))
    stored = {entry.seq: entry.entry_hash for entry in await rig.reader.entries(0, 10_000)}
    assert last.seq == len(stored) - 1
    assert all(stored[receipt.seq] == receipt.entry_hash for receipt in receipts)
    await ledger.stop()
    assert kinds(await rig.verify()) == []
    await owner.execute("ALTER TABLE audit_ledger.entries SET TABLESPACE pg_default")
    await owner.execute(f"DROP TABLESPACE {name}")
    await owner.close()


async def test_a_full_disk_outside_delays_the_checkpoint_and_tears_none(rig: Rig, small_disk: Path) -> None:
    rig.folder = LedgerFolder(keys=small_disk / "keys", checkpoints=small_disk / "checkpoints")
    ledger = rig.ledger()
    await ledger.start()
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass

    for number in range(30):
        await ledger.record(rig.event(number))
        with contextlib.suppress(NotKeptError):
            await ledger.publish_checkpoint()
    kept = len(rig.folder.checkpoints())
    await ledger.record(rig.event(99))
    with pytest.raises(NotKeptError, match="No space left on device"):
        await ledger.publish_checkpoint()
    ballast.unlink()
    checkpoint = await ledger.publish_checkpoint()

    assert checkpoint.size == 32
    assert len(rig.folder.checkpoints()) == kept + 1
    await ledger.stop()
    report = await rig.verify()
    assert (kinds(report), report.anchored_size) == ([], 32)
