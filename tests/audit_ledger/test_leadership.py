"""Two processes, one ledger: one leads, on lease; who was paused longer has lost the lead and forked nothing."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from audit_ledger.adapters.key_file import FileSigner
from audit_ledger.domain.audit.finding import Verdict
from audit_ledger.domain.errors import AnotherSequencerError, ForkedLedgerError
from audit_ledger.service import Ledger
from audit_ledger.store.writer import LedgerWriter
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_WRITER
from shared_kernel.errors import UnavailableError
from tests.audit_ledger.rig import Rig, kinds
from tests.audit_ledger.stages import PUBLISHING, SEALING
from tests.audit_ledger.waiting import refusal_of, until, until_sealing

LEASE_S = 0.7
STEPS = (*SEALING[1:], *PUBLISHING[1:3], "at rest")


@dataclass(slots=True)
class Rival:
    """A process of rival.py and what it said so far."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> list[tuple[int, str, str]]:
        """Position, hash and event of every receipt."""
        said = [line.split() for line in self.lines if line[0].isdigit()]
        return [(int(seq), found, name) for seq, found, name in said]

    @property
    def is_frozen(self) -> bool:
        """Whether the process is stopped."""
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def refusals(self) -> set[str]:
        """The classes of errors its callers met."""
        return {line.removeprefix("refused ") for line in self.lines if line.startswith("refused")}

    async def listen(self) -> None:
        """Collect whole lines."""
        assert self.process.stdout is not None
        while (line := await self.process.stdout.readline()).endswith(b"\n"):
            self.lines.append(line.decode().strip())


@contextlib.asynccontextmanager
async def rival(rig: Rig, home: Path, step: str) -> AsyncIterator[Rival]:
    """Run a process on the rig's ledger; it is killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("rival.py")), rig.url, str(home), str(LEASE_S), step,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
    made = Rival(process)
    listening = asyncio.create_task(made.listen())
    try:
        yield made
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await listening


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
async def test_a_leader_paused_past_its_lease_is_fenced_and_may_lead_again(
    rig: Rig, tmp_path: Path, step: str,
) -> None:
    async with rival(rig, tmp_path, step) as first:
        await until(lambda: "leading" in first.lines)
        async with rival(rig, tmp_path, "never") as second:
            if step == "at rest":
                await until(lambda: len(first.acknowledged) > 600)
                first.process.send_signal(signal.SIGSTOP)
            await until(lambda: first.is_frozen)
            await until(lambda: len(second.acknowledged) > 600)
            first.process.send_signal(signal.SIGCONT)
            await until(lambda: "AnotherSequencerError" in first.refusals())
            before = len(second.acknowledged)
            await until(lambda: len(second.acknowledged) > before + 600)
        last = max(second.acknowledged)
        await until(lambda: max(first.acknowledged, default=last) > last)

    receipts = [*first.acknowledged, *second.acknowledged]
    head = await rig.reader.head()
    assert head is not None
    stored = {entry.seq: entry.entry_hash.hex() for entry in await rig.reader.entries(0, head.size)}
    assert {seq: stored.get(seq) for seq, _, _ in receipts} == {seq: found for seq, found, _ in receipts}
    assert len({seq for seq, _, _ in receipts}) == len({name for _, _, name in receipts}) == len(receipts)
    assert first.refusals() <= {"LostLeadError", "AnotherSequencerError", "LedgerDownError"}
    assert second.refusals() == set()
    assert kinds(await rig.verify()) == []


def leased(rig: Rig, lease_s: float) -> Ledger:
    """Return a ledger in this process with a lease of its own."""
    writer = LedgerWriter(rig.writer_pool, rig.signer.name, lease_s=lease_s)
    return Ledger(writer, rig.reader, signer=FileSigner(rig.signer), folder=rig.folder, clock=rig.clock, patience_s=0.3)


async def test_an_idle_leader_renews_its_lease(rig: Rig) -> None:
    first, second = leased(rig, 0.3), rig.ledger()
    await first.start()

    await asyncio.sleep(1.2)
    with pytest.raises(AnotherSequencerError):
        await second.start()

    assert (await first.record(rig.event(1))).seq == 1
    await first.stop()


async def test_a_standby_says_why_it_refuses_and_takes_over(rig: Rig) -> None:
    first, second = rig.ledger(), rig.ledger()
    await first.start()
    await second.start(is_standby=True)

    with pytest.raises(AnotherSequencerError, match="another process already writes the ledger"):
        await second.record(rig.event(1))
    await first.record(rig.event(2))
    await first.stop()
    await second.wait_leading()

    assert (await second.record(rig.event(3))).seq == 3
    assert [event.event["grid"]["ledger"]["size"] for event in await second.find(action="ledger_started")] == [2, 0]
    await second.stop()
    assert (await rig.verify()).verdict is Verdict.GOOD


async def test_a_standby_that_never_led_stops_at_once(rig: Rig) -> None:
    first, second = rig.ledger(), rig.ledger()
    await first.start()
    await second.start(is_standby=True)

    async with asyncio.timeout(2):
        await second.stop()

    await first.record(rig.event(1))
    await first.stop()


async def test_a_standby_does_not_take_over_a_history_that_was_not_signed(rig: Rig) -> None:
    await rig.filled(3)
    await rig.attack("DELETE FROM audit_ledger.entries WHERE seq = 2")
    ledger = rig.ledger()

    await ledger.start(is_standby=True)
    with pytest.raises(ForkedLedgerError):
        await ledger.wait_leading()

    with pytest.raises(ForkedLedgerError):
        await ledger.record(rig.event(2))
    await ledger.stop()


async def test_a_lead_that_was_lost_and_regained_goes_on_after_what_the_other_wrote(rig: Rig) -> None:
    first, second = rig.ledger(), rig.ledger(patience_s=5)
    await first.start()
    takeover = asyncio.create_task(second.start())
    await asyncio.sleep(0.1)
    owner = await asyncpg.connect(rig.url)
    await owner.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    await takeover
    await second.record(rig.event(1))
    with pytest.raises(UnavailableError):
        await first.record(rig.event(2))

    await second.stop()
    await until_sealing(first)

    assert (await first.record(rig.event(3))).seq == 4
    [regained] = await first.find(action="ledger_lead_regained")
    assert (regained.seq, regained.event["grid"]["ledger"]) == (3, {"known": 1, "size": 3})
    await first.stop()
    await owner.close()
    assert kinds(await rig.verify()) == []


async def test_a_history_rewritten_while_the_lead_was_lost_is_a_fork(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()
    for number in range(5):
        await ledger.record(rig.event(number))
    await rig.attack(
        "DELETE FROM audit_ledger.entries WHERE seq = 5",
        "UPDATE audit_ledger.heads SET size = 5, entry_hash = (SELECT entry_hash FROM audit_ledger.entries "
        "WHERE seq = 4)",
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")

    with pytest.raises(UnavailableError):
        await ledger.record(rig.event(6))
    await until(lambda: isinstance(refusal_of(ledger), ForkedLedgerError))

    with pytest.raises(ForkedLedgerError, match="its first 6 entries are not those we knew"):
        await ledger.record(rig.event(7))
    await ledger.stop()


async def test_a_leader_has_its_lease_from_the_server_and_waits_for_the_disk(rig: Rig) -> None:
    owner = await asyncpg.connect(rig.url)
    database = await owner.fetchval("SELECT current_database()")
    await owner.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
    pool = await open_pool(rig.url, LEDGER_WRITER, size=1)
    writer = LedgerWriter(pool, rig.signer.name, lease_s=9.0)

    await writer.lead()
    leading = {name: await writer._connection.fetchval(f"SHOW {name}") for name in (
        "idle_session_timeout", "idle_in_transaction_session_timeout", "transaction_timeout", "synchronous_commit")}
    await writer.release()

    assert leading == {
        "idle_session_timeout": "9s", "idle_in_transaction_session_timeout": "9s", "transaction_timeout": "9s",
        "synchronous_commit": "on"}
    assert await pool.fetchval("SHOW idle_session_timeout") == "0"
    pool.terminate()
    await owner.close()


async def test_a_server_that_does_not_answer_within_the_lease_loses_its_leader(rig: Rig) -> None:
    ledger = leased(rig, 0.5)
    await ledger.start()
    owner = await asyncpg.connect(rig.url)

    async with owner.transaction():
        await owner.execute("LOCK TABLE audit_ledger.heads IN EXCLUSIVE MODE")
        async with asyncio.timeout(3):
            with pytest.raises(UnavailableError):
                await ledger.record(rig.event(1))

    await until_sealing(ledger)
    await ledger.record(rig.event(2))
    await ledger.stop()
    await owner.close()
    assert kinds(await rig.verify()) == []
