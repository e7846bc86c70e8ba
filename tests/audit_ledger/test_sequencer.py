"""When the database fails, forks or dies: nobody is told "sealed" who is not, and sealing comes back by itself."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from audit_ledger.adapters.key_file import FileSigner
from audit_ledger.domain.audit.finding import Verdict
from audit_ledger.domain.errors import AnotherSequencerError, ForkedLedgerError, LedgerDownError, LedgerFullError
from audit_ledger.domain.head import Head
from audit_ledger.service import Ledger
from audit_ledger.store.writer import LedgerWriter, Sealed
from shared_kernel.errors import UnavailableError
from tests.audit_ledger.rig import Rig, kinds


async def kill_connections(rig: Rig) -> None:
    """End every other connection to the database, as a crash of the server does."""
    connection = await asyncpg.connect(rig.url)
    await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                             "WHERE datname = current_database() AND pid <> pg_backend_pid()")
    await connection.close()


async def sealed_again(rig: Rig, ledger: Ledger) -> int:
    """Record until it succeeds; return the position."""
    async with asyncio.timeout(10):
        while True:
            try:
                return (await ledger.record(rig.event(0))).seq
            except UnavailableError:
                await asyncio.sleep(0.02)


async def test_a_lost_connection_refuses_who_waits_and_heals(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()
    await ledger.record(rig.event(1))

    await kill_connections(rig)
    with pytest.raises(LedgerDownError, match="is not known"):
        await ledger.record(rig.event(2))

    assert await sealed_again(rig, ledger) == 2
    await ledger.stop()
    assert kinds(await rig.verify()) == []


async def test_a_database_that_refuses_to_write_is_503_until_it_writes_again(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()
    owner = await asyncpg.connect(rig.url)
    await owner.execute("REVOKE INSERT ON audit_ledger.entries FROM gridwarden_ledger_writer")

    refused = await asyncio.gather(*(ledger.record(rig.event(number)) for number in range(20)), return_exceptions=True)
    with pytest.raises(LedgerDownError):
        ledger.refuse_unless_sealing()
    await owner.execute("GRANT INSERT ON audit_ledger.entries TO gridwarden_ledger_writer")

    assert {type(error) for error in refused} == {LedgerDownError}
    assert await sealed_again(rig, ledger) == 1
    await ledger.stop()
    await owner.close()


class ForgetfulWriter(LedgerWriter):
    """Commits, then loses the answer: the classic failure that persisted."""

    async def append(
        self, expected: Head, rows: Any, sealed: Callable[[], Sealed], origins: Any = (),
    ) -> Sealed:
        """Store the batch and claim that the database is gone."""
        stored = await super().append(expected, rows, sealed, origins)
        if expected.size == 1:
            raise LedgerDownError("the answer was lost")
        return stored


async def test_a_commit_whose_answer_was_lost_makes_no_fork(rig: Rig) -> None:
    writer = ForgetfulWriter(rig.writer_pool, rig.signer.name)
    ledger = Ledger(writer, rig.reader, signer=FileSigner(rig.signer), folder=rig.folder, clock=rig.clock)
    await ledger.start()

    with pytest.raises(LedgerDownError):
        await ledger.record(rig.event(1))

    assert await sealed_again(rig, ledger) == 2
    await ledger.stop()
    assert kinds(await rig.verify()) == []


async def test_more_records_than_the_queue_holds_are_refused_at_once(rig: Rig) -> None:
    ledger = rig.ledger(queue_limit=10)
    await ledger.start()

    answers = await asyncio.gather(*(ledger.record(rig.event(number)) for number in range(50)), return_exceptions=True)

    full = [answer for answer in answers if isinstance(answer, LedgerFullError)]
    assert len(full) == 40
    assert "10 records already wait" in str(full[0])
    await ledger.stop()


@pytest.mark.parametrize("statements", [
    ("UPDATE audit_ledger.heads SET size = 9",),
    (("INSERT INTO audit_ledger.entries SELECT stream, 2, 0, prev_hash, entry_hash, payload FROM audit_ledger.entries "
     "WHERE seq = 1"),),
])
@pytest.mark.parametrize("in_flight", [1, 100])
async def test_who_finds_the_head_moved_stops_for_good(
    rig: Rig, statements: tuple[str, ...], in_flight: int,
) -> None:
    """A few records are stored by one statement, many by COPY: both must notice."""
    ledger = rig.ledger()
    await ledger.start()
    await ledger.record(rig.event(1))
    await rig.attack(*statements)

    for _ in range(2):
        answers = await asyncio.gather(*(ledger.record(rig.event(2)) for _ in range(in_flight)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {ForkedLedgerError}
        assert "changed behind our back" in str(answers[0])
        await asyncio.sleep(0.1)
    assert len(await rig.reader.entries(0, 200)) == 2 + statements[0].startswith("INSERT")

    await ledger.stop()


async def test_a_sequencer_that_lost_its_lock_to_another_stops(rig: Rig) -> None:
    first, second = rig.ledger(), rig.ledger(patience_s=5)
    await first.start()
    second_start = asyncio.create_task(second.start())
    await asyncio.sleep(0.12)

    connection = await asyncpg.connect(rig.url)
    await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    await connection.close()
    await second_start

    for _ in range(60):
        with pytest.raises(UnavailableError) as refusal:
            await first.record(rig.event(1))
        if isinstance(refusal.value, AnotherSequencerError):
            break
        await asyncio.sleep(0.05)
    assert isinstance(refusal.value, AnotherSequencerError)
    assert (await second.record(rig.event(2))).seq == 2
    await first.stop()
    await second.stop()
    assert (await rig.verify()).verdict is Verdict.GOOD
