"""What a policy's witnesses add to a verification, and what they do not: missing, old, of another log, of nobody."""

import pytest

from audit_ledger.domain.audit.finding import Mode, Verdict
from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.c2sp.cosignature import Cosigner
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.domain.c2sp.tlog_policy import NONE, KnownLog, KnownWitness, Policy
from audit_ledger.service.audit.anchors import Witnesses
from audit_ledger.store.cosignatures import Cosignatures
from tests.audit_ledger.rig import Rig

WITNESS = Cosigner(NoteSigner("witness.example/w1", bytes(range(32))))
OTHER = NoteSigner("other.example/log", bytes(range(1, 33)))


def policy_of(rig: Rig, *, quorum: str = "w1") -> Policy:
    """Return a policy that believes this ledger and another log."""
    return Policy((KnownLog(rig.signer.verifier), KnownLog(OTHER.verifier)),
                  (KnownWitness("w1", WITNESS.verifier),), (), quorum)


def held_by(rig: Rig, policy: Policy) -> Witnesses:
    return Witnesses(policy, Cosignatures(rig.writer_pool, rig.reader_pool, rig.signer.name))


async def cosigned(rig: Rig, note: bytes, size: int) -> None:
    """Have the witness sign a note now, and store its line."""
    now_s = rig.clock.now_us() // 1_000_000
    text = note.decode().rpartition("\n\n")[0] + "\n"
    line = WITNESS.cosign(text, now_s)
    await Cosignatures(rig.writer_pool, rig.reader_pool, rig.signer.name).keep(
        size, f"{WITNESS.verifier.name}+{WITNESS.verifier.key_id.hex()}", now_s, line)


async def stopped_in_order(rig: Rig) -> bytes:
    """Fill a ledger, say goodbye, return the last checkpoint, which covers everything."""
    await rig.filled(19)
    ledger = rig.ledger()
    await ledger.start()
    await ledger.leave()
    note = await rig.reader.checkpoint_before(2**62)
    assert note is not None
    return note


async def test_a_quorum_s_word_anchors_though_it_lies_in_the_database(rig: Rig) -> None:
    await cosigned(rig, await stopped_in_order(rig), 21)

    report = await rig.verify(outside=False, witnesses=held_by(rig, policy_of(rig)))

    assert (report.verdict, report.mode, report.anchored_size) == (Verdict.GOOD, Mode.WITNESSED, 21)


async def test_a_policy_whose_quorum_is_missing_is_not_met_by_checkpoints_outside(rig: Rig) -> None:
    await stopped_in_order(rig)

    report = await rig.verify(witnesses=held_by(rig, policy_of(rig)))

    assert (report.verdict, report.mode, report.findings) == (Verdict.UNPROVEN, Mode.ANCHORED, ())
    assert report.stale is not None
    assert "no quorum" in report.stale


async def test_an_old_word_is_stale_also_where_the_ledger_said_goodbye(rig: Rig) -> None:
    """An old version that ends in a goodbye is what a newcomer could be shown."""
    await cosigned(rig, await stopped_in_order(rig), 21)
    rig.clock.advance(3_600)

    report = await rig.verify(witnesses=held_by(rig, policy_of(rig)))

    assert (report.verdict, report.mode) == (Verdict.UNPROVEN, Mode.WITNESSED)
    assert report.stale is not None
    assert "last word is old" in report.stale


async def test_a_policy_without_witnesses_anchors_nothing_that_lies_in_the_database(rig: Rig) -> None:
    await cosigned(rig, await stopped_in_order(rig), 21)

    report = await rig.verify(outside=False, witnesses=held_by(rig, policy_of(rig, quorum=NONE)))

    assert (report.verdict, report.mode, report.anchored_size) == (Verdict.UNPROVEN, Mode.UNANCHORED, 0)


@pytest.mark.parametrize("size", [21, 900])
async def test_a_cosigned_checkpoint_of_another_log_of_the_policy_is_none_of_this_ledger(rig: Rig, size: int) -> None:
    await cosigned(rig, await stopped_in_order(rig), 21)
    foreign = Checkpoint(OTHER.name, size, b"\x01" * 32).signed_by(OTHER)
    await rig.attack("INSERT INTO audit_ledger.checkpoints VALUES ($1, 20000, 0, $2)",
                     arguments=(rig.signer.name, foreign))
    await cosigned(rig, foreign, 20_000)

    report = await rig.verify(outside=False, witnesses=held_by(rig, policy_of(rig)))

    assert [str(found.kind) for found in report.findings] == ["checkpoint_signature"]
    assert (report.mode, report.anchored_size) == (Mode.WITNESSED, 21)
