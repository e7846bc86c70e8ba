"""The Ledger as its callers see it: receipts, reading, proofs, checkpoints, refusals."""

import asyncio
import stat
from pathlib import Path

import pytest

from audit_ledger.domain.c2sp.checkpoint import open_checkpoint
from audit_ledger.domain.errors import (
    AnotherSequencerError,
    ForeignLedgerError,
    ForkedLedgerError,
    LedgerStoppedError,
    RefusedEventError,
)
from audit_ledger.domain.proofs import proves_consistency, proves_inclusion
from shared_kernel.errors import NotFoundError
from tests.audit_ledger.rig import Rig, folder_of, kinds
from tests.audit_ledger.waiting import until


async def test_a_receipt_names_the_entry_that_holds_the_event(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()

    event = rig.event(1)
    receipt = await ledger.record(event)

    entry = await ledger.entry(receipt.seq)
    [sealed] = await ledger.read(receipt.seq, 10)
    assert (sealed.event, entry.entry_hash) == (event, receipt.entry_hash)
    await ledger.stop()


async def test_a_thousand_records_at_once_take_a_thousand_places(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()

    receipts = await asyncio.gather(*(ledger.record(rig.event(number)) for number in range(1_000)))

    assert [receipt.seq for receipt in receipts] == list(range(1, 1_001))
    await ledger.stop()
    assert kinds(await rig.verify()) == []


async def test_find_answers_newest_first_by_every_criterion(rig: Rig) -> None:
    await rig.filled(30)
    ledger = rig.ledger()

    found = await ledger.find(subject="user-3", action="access_decision", dataset="grid.meter_readings", limit=2)
    older = await ledger.find(subject="user-3", before=found[-1].seq)

    assert [event.seq for event in found] == [24, 17]
    assert [event.seq for event in older] == [10, 3]
    assert await ledger.find(request_id="request-5", subject="user-3") == []


async def test_waiting_ends_when_the_position_is_filled(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()

    waiting = asyncio.create_task(ledger.wait_beyond(1, 5))
    await asyncio.sleep(0)
    assert not waiting.done()
    await ledger.record(rig.event(1))

    assert await waiting
    assert not await ledger.wait_beyond(2, 0.01)
    await ledger.stop()


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 600])
async def test_every_sixteenth_entry_is_proven_under_the_signed_root(rig: Rig, size: int) -> None:
    await rig.filled(size)
    ledger = rig.ledger()
    checkpoint = open_checkpoint(await ledger.checkpoint(), rig.signer.name, rig.signer.verifier)

    for seq in range(0, size, 16):
        proof = await ledger._prover.inclusion(seq, size)
        leaf = (await ledger.entry(seq)).entry_hash
        assert proves_inclusion(leaf, seq, checkpoint.size, proof.path, checkpoint.root)


async def test_a_later_ledger_is_proven_to_extend_an_earlier_one(rig: Rig) -> None:
    await rig.filled(700)
    ledger = rig.ledger()

    for old, new in ((1, 700), (256, 300), (299, 513), (512, 700), (700, 700)):
        path = await ledger.consistency_proof(old, new)
        roots = [(await ledger._prover.frontier_at(size)).root for size in (old, new)]
        assert proves_consistency(old, new, path, *roots)


async def test_checkpoints_come_by_themselves_and_do_not_beget_themselves(rig: Rig) -> None:
    ledger = rig.ledger(publish_every_s=0.02)
    await ledger.start()

    await ledger.record(rig.event(1))
    await until(lambda: ledger.head().size == 3)
    await asyncio.sleep(0.3)

    published = await ledger.find(action="checkpoint_published")
    assert [event.event["grid"]["ledger"]["size"] for event in published] == [2]
    assert ledger.head().size == 3
    await ledger.stop()
    assert open_checkpoint(await ledger.checkpoint(), rig.signer.name, rig.signer.verifier).size == 3


async def test_a_stopped_ledger_has_published_everything_and_takes_nothing(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()
    waiting = [asyncio.create_task(ledger.record(rig.event(number))) for number in range(50)]
    await asyncio.sleep(0)

    await ledger.stop()

    assert {receipt.seq for receipt in await asyncio.gather(*waiting)} == set(range(1, 51))
    with pytest.raises(LedgerStoppedError):
        await ledger.record(rig.event(99))
    assert (await rig.verify()).anchored_size == 51


async def test_an_event_that_breaks_the_door_policy_is_refused_and_the_next_is_sealed(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()

    with pytest.raises(RefusedEventError, match=r"grid\.power is the float 1\.5"):
        await ledger.record({"grid": {"power": 1.5}})

    assert (await ledger.record(rig.event(1))).seq == 1
    await ledger.stop()


async def test_of_two_sequencers_the_second_does_not_start(rig: Rig) -> None:
    first, second = rig.ledger(), rig.ledger()
    await first.start()

    with pytest.raises(AnotherSequencerError, match="another process already writes the ledger"):
        await second.start()

    await first.record(rig.event(1))
    await first.stop()
    await second.start()
    assert (await second.record(rig.event(2))).seq == 3
    await second.stop()


async def test_a_key_of_another_ledger_is_refused(rig: Rig, tmp_path: Path) -> None:
    await rig.filled(3)
    rig.folder = folder_of(tmp_path / "other")
    rig.signer = rig.folder.signer()

    with pytest.raises(ForeignLedgerError, match="the database holds the ledger gridwarden/"):
        await rig.ledger().start()


@pytest.mark.parametrize("statements", [
    ("DELETE FROM audit_ledger.entries WHERE seq >= 5", "DELETE FROM audit_ledger.checkpoints",
     ("UPDATE audit_ledger.heads SET size = 5, "
     "entry_hash = (SELECT entry_hash FROM audit_ledger.entries WHERE seq = 4)")),
    ("UPDATE audit_ledger.entries SET entry_hash = sha256('x') WHERE seq = 5",),
    ("DELETE FROM audit_ledger.entries WHERE seq = 9",),
])
async def test_a_ledger_does_not_start_on_a_history_it_did_not_sign(rig: Rig, statements: tuple[str, ...]) -> None:
    await rig.filled(10)
    await rig.attack(*statements)

    with pytest.raises(ForkedLedgerError, match="run `gridwarden ledger verify`"):
        await rig.ledger().start()


async def test_the_signing_key_is_for_its_owner_only_and_never_shown(rig: Rig, tmp_path: Path) -> None:
    mode = stat.S_IMODE((tmp_path / "keys" / "ledger.key").stat().st_mode)

    assert mode == 0o600
    assert rig.signer.seed.hex() not in repr(rig.signer)
    assert folder_of(tmp_path).signer() == rig.signer
    assert folder_of(tmp_path).verifier() == rig.signer.verifier


async def test_what_is_not_there_is_not_found(rig: Rig) -> None:
    await rig.filled(2)
    ledger = rig.ledger()

    for question in (ledger.entry(2), ledger.inclusion_proof(0, 99), ledger.checkpoint(0)):
        with pytest.raises(NotFoundError):
            await question
