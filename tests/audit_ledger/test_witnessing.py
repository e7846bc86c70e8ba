"""The ledger has its checkpoints cosigned: by honest witnesses, dead ones, lying ones, and ones that catch it lying."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from audit_ledger.adapters.witness_client import WitnessClient
from audit_ledger.adapters.witness_notes import CosignedFile
from audit_ledger.domain.c2sp.add_checkpoint import AddCheckpoint
from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.c2sp.cosignature import Cosigner
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.domain.c2sp.policy_file import read_policy
from audit_ledger.domain.c2sp.tlog_policy import KnownLog, KnownWitness, Policy
from audit_ledger.domain.merkle import root_of
from audit_ledger.service.witness.witnessing import Witnessing
from audit_ledger.store.cosignatures import Cosignatures
from tests.audit_ledger.rig import Rig
from tests.audit_ledger.street import Street, all_at, counted, followed, kept
from tests.audit_ledger.toy_log import ToyLog, leaves
from tests.frozen_clock import FrozenClock


@pytest.fixture
async def street(rig: Rig, tmp_path: Path) -> AsyncIterator[Street]:
    """Nobody lives there yet."""
    async with AsyncExitStack() as stack:
        yield Street(rig, tmp_path / "street", stack)


TWO = "group g 2 w1 w2 w3\nquorum g"


async def test_every_witness_cosigns_and_the_quorum_s_note_lies_outside_the_database(street: Street) -> None:
    for name in street.ports:
        await street.open(name)
    async with followed(street, street.policy("w1", "w2", "w3", quorum=TWO)) as here:
        sizes = []
        for entries in (3, 1, 40):
            checkpoint = await here.published(entries)
            sizes.append(checkpoint.size)
            await here.until(all_at(checkpoint.size))
            status = await here.until(counted(checkpoint.size))

        note = here.file.read()
        assert note is not None
        found = here.policy.judge(note, now_s=here.rig.clock.now_us() // 1_000_000)
        assert (found.checkpoint, found.has_quorum, len(found.cosigned)) == (checkpoint, True, 3)
        assert (status.quorum_size, status.late_s) == (checkpoint.size, 0)
        assert [each.error for each in status.witnesses] == [None] * 3
        stored = [here.policy.judge(each, now_s=found.witnessed_at_s or 0) for each in await here.cosigned()]
        assert set(sizes) <= {each.checkpoint.size for each in stored}
        assert all(each.has_quorum for each in stored)


async def test_a_dead_witness_is_seen_hinders_nobody_and_catches_up_when_it_is_back(street: Street) -> None:
    for name in ("w1", "w2"):
        await street.open(name)
    async with followed(street, street.policy("w1", "w2", "w3", quorum=TWO)) as here:
        first = await here.published(5)
        status = await here.until(lambda status: status.quorum_size == first.size and status.witnesses[2].error)
        assert "does not answer" in (status.witnesses[2].error or "")
        assert status.late_s == 0

        await street.open("w3")
        status = await here.until(all_at(first.size))

        assert [each.error for each in status.witnesses] == [None] * 3


async def test_sealing_does_not_wait_for_a_witness_that_never_answers(street: Street) -> None:
    await street.lie("w1", b"", keep_open=True)
    async with followed(street, street.policy("w1", quorum="quorum w1")) as here:
        async with asyncio.timeout(0.9):  # less than the client's patience
            await here.published(5)
            await here.published(5)

        await here.until(lambda status: status.witnesses[0].error == (
            "the witness does not answer (TimeoutError): it is asked again later"))


async def test_a_quorum_that_is_missing_too_long_is_said_and_over_when_it_is_reached(street: Street) -> None:
    async with followed(street, street.policy("w1", quorum="quorum w1"), max_age_s=60) as here:
        await here.published(5)
        await here.until(lambda status: status.witnesses[0].error)
        assert not here.witnessing.status().is_late

        here.rig.clock.advance(61)
        late = await here.until(lambda status: status.is_late)
        await street.open("w1")
        over = await here.until(lambda status: status.quorum_size)

        assert (late.late_s, late.quorum_size) == (61, 0)
        assert await here.until(lambda status: not status.is_late)
        assert over.witnesses[0].error is None


async def test_after_a_restart_the_witness_tells_what_it_saw(street: Street) -> None:
    await street.open("w1")
    policy = street.policy("w1", quorum="quorum w1")
    async with followed(street, policy) as here:
        await here.until(all_at((await here.published(5)).size))
    async with followed(street, policy) as here:
        recalled = here.witnessing.status()
        size = (await here.published(7)).size
        await here.until(all_at(size))

    assert recalled.quorum_size in {0, 6, 7}  # before or after the first round
    assert [read.checkpoint.size for read in [policy.for_log(street.rig.signer.verifier).judge(
        note, now_s=street.rig.clock.now_us() // 1_000_000) for note in await kept(street.rig).notes(1)]] == [size]


async def test_without_any_memory_of_its_own_it_learns_the_size_from_the_conflict(street: Street) -> None:
    """The database's rows are gone, the witness is far ahead of zero."""
    async with followed(street, street.policy("w1", quorum="quorum w1")) as here:
        checkpoint = await here.published(9)
        note = await here.ledger.checkpoint()
        await street.witness("w1").add_checkpoint(AddCheckpoint(0, (), note).to_bytes())
        await here.published(4)
        await street.open("w1")

        status = await here.until(all_at(checkpoint.size + 4))

        assert (status.witnesses[0].error, status.witnesses[0].doubt) == (None, None)


async def shown_before(street: Street, *sizes: int) -> ToyLog:
    """Somebody with the ledger's key has shown the witness another tree."""
    other = ToyLog(street.rig.signer, leaves(60, "other"))
    for old, new in zip((0, *sizes), sizes, strict=False):
        await street.witness("w1").add_checkpoint(other.request(old, new))
    return other


@pytest.mark.parametrize(("size", "says"), [
    (4, "it saw 4 entries that this ledger does not begin with"),
    (6, "it saw 6 entries that this ledger does not begin with"),
    (50, "it saw 50 entries, this ledger has published 6: entries were lost")])
async def test_a_split_view_is_caught_at_any_size(street: Street, size: int, says: str) -> None:
    await shown_before(street, size)
    await street.open("w1")
    async with followed(street, street.policy("w1", quorum="quorum w1")) as here:
        assert (await here.published(5)).size == 6

        status = await here.until(lambda status: says in (status.witnesses[0].error or ""))

        assert status.quorum_size == 0
        assert here.file.read() is None
        assert await here.cosigned() == []
        sealed = await here.sealed("witness_contradicted")
        await asyncio.sleep(0.3)  # and is asked a few times more
        assert (sealed["event"]["outcome"], sealed["grid"]["ledger"]["witness"]) == ("failure", "w1")
        assert len(await here.ledger.find(action="witness_contradicted")) == 1


async def test_a_ledger_restored_from_an_old_backup_is_caught_by_its_witness(street: Street) -> None:
    await street.open("w1")
    policy = street.policy("w1", quorum="quorum w1")
    async with followed(street, policy) as here:
        await here.until(all_at((await here.published(20)).size))
        size = here.ledger.head().size
    await street.rig.attack(
        "DELETE FROM audit_ledger.entries WHERE seq >= 5", "DELETE FROM audit_ledger.checkpoints WHERE size > 1",
        "ALTER TABLE audit_ledger.heads DISABLE TRIGGER ALL",
        "UPDATE audit_ledger.heads SET size = 5, entry_hash = "
        "(SELECT entry_hash FROM audit_ledger.entries WHERE seq = 4)")
    shutil.rmtree(street.home.parent / "ledger" / "checkpoints")  # the attacker had those too

    async with followed(street, policy) as here:
        status = await here.until(lambda status: status.witnesses[0].error)

    assert f"it saw {size} entries, this ledger has published 6: entries were lost" in (status.witnesses[0].error or "")


async def test_a_witness_restored_from_an_old_backup_is_doubted_and_helped(street: Street) -> None:
    close = await street.open("w1")
    async with followed(street, street.policy("w1", quorum="quorum w1")) as here:
        first = await here.published(5)
        await here.until(all_at(first.size))
        shutil.copytree(street.home / "w1", street.home / "backup")
        second = await here.published(5)
        await here.until(all_at(second.size))
        await close()
        shutil.rmtree(street.home / "w1")
        shutil.copytree(street.home / "backup", street.home / "w1")
        third = await here.published(5)
        await here.until(lambda status: status.witnesses[0].error)
        await street.open("w1")

        status = await here.until(all_at(third.size))

        assert status.witnesses[0].doubt == (
            f"it cosigned {second.size} entries and then knew of {first.size}: restored from an old backup?")


def http(status: str, body: bytes, *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", "")
    return "\r\n".join(lines).encode() + body


SIZE = "Content-Type: text/x.tlog.size"
THIEF = Cosigner(NoteSigner("witness.example/w1", bytes(32)))


@pytest.mark.parametrize(("answer", "says"), [
    (http("200 OK", b""), "no trusted key signed"),
    (http("200 OK", b"\n\n"), "no signatures|not `"),
    (http("200 OK", THIEF.cosign("gridwarden\n1\n", 1).encode()), "no trusted key signed"),
    (http("200 OK", b"x" * 70_000), "more than 65536 bytes"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"2000\r\n" + b"x" * 8192 + b"\r\n" * 9, "not answer"),
    (http("302 Found", b"", "Location: http://127.0.0.1:1/"), "refused with 302"),
    (http("307 Temporary Redirect", b"", "Location: http://127.0.0.1:1/"), "refused with 307"),
    (http("500 Oops", b"on \x1b[31mfire\n"), "refused with 500: an unprintable answer"),
    (http("409 Conflict", b"5\n"), "does not begin with"),
    (http("409 Conflict", b"+5\n", SIZE), "names no size"), (http("409 Conflict", b"05\n", SIZE), "names no size"),
    (http("409 Conflict", "\uff15\n".encode(), SIZE), "names no size"),
    (http("409 Conflict", b"5", SIZE), "not one line"), (http("409 Conflict", b"5\n5\n", SIZE), "not one line"),
    (http("409 Conflict", f"{2**63}\n".encode(), SIZE), "names no size"),
    (http("409 Conflict", b"9" * 60_000 + b"\n", SIZE), "names no size"),
    (http("409 Conflict", b"3\n", SIZE), "names 3 entries as its last size and refuses them"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer"), (b"", "does not answer")])
async def test_whatever_a_broken_witness_answers_nothing_is_kept_and_the_reason_shows(
    street: Street, answer: bytes, says: str,
) -> None:
    await street.lie("w1", answer)
    async with followed(street, street.policy("w1", quorum="quorum w1")) as here:
        await here.published(5)

        status = await here.until(lambda status: re.search(says, status.witnesses[0].error or ""))

        assert here.file.read() is None
        assert await here.cosigned() == []
        assert status.quorum_size == 0


async def test_a_cosignature_of_another_checkpoint_is_not_kept(street: Street) -> None:
    async with followed(street, street.policy("w1", quorum="quorum w1")) as here:
        old = await here.published(5)
        replayed = street.cosigner("w1").cosign(old.to_text(), here.rig.clock.now_us() // 1_000_000)
        await here.published(5)
        await street.lie("w1", http("200 OK", replayed.encode()))

        await here.until(lambda status: "does not verify" in (status.witnesses[0].error or ""))

        assert await here.cosigned() == []


async def test_a_witness_whose_clock_is_ahead_is_not_counted(street: Street, clock: FrozenClock) -> None:
    await street.open("w1", FrozenClock(clock.now_us() + 301_000_000))
    async with followed(street, street.policy("w1", quorum="quorum w1")) as here:
        await here.published(5)

        await here.until(lambda status: "301 seconds ahead of ours" in (status.witnesses[0].error or ""))

        assert here.file.read() is None


async def test_a_checkpoint_swapped_in_the_database_is_not_sent_out(street: Street) -> None:
    await street.open("w1")
    async with followed(street, street.policy("w1", quorum="quorum w1")) as here:
        forged = Checkpoint(here.rig.signer.name, 9, root_of(leaves(9))).signed_by(here.rig.signer)
        await here.rig.attack(
            "INSERT INTO audit_ledger.checkpoints SELECT stream, 9, 0, decode($1, 'hex') FROM audit_ledger.heads",
            arguments=(forged.hex(),))
        await here.published(8)

        status = await here.until(lambda status: "is not the published one" in (status.witnesses[0].error or ""))

        assert status.quorum_size < 9


async def test_quorum_none_asks_and_waits_for_nobody(street: Street) -> None:
    async with followed(street, street.policy("w1", quorum="quorum none")) as here:
        checkpoint = await here.published(5)

        status = await here.until(lambda status: status.quorum_size == checkpoint.size)

        assert status.late_s == 0


async def test_a_witness_without_url_is_named_and_never_asked(street: Street) -> None:
    policy = read_policy(f"witness w1 {street.cosigner('w1').verifier}\nquorum w1\n".encode())
    async with followed(street, policy) as here:
        await here.published(5)

        await here.until(lambda status: status.witnesses[0].error == "the policy names no URL for it")


async def test_a_witness_that_lags_is_named_before_a_prune_takes_its_proofs(rig: Rig) -> None:
    kept = Cosignatures(rig.writer_pool, rig.reader_pool, rig.signer.name)
    known = KnownWitness("w1", Cosigner(NoteSigner("witness.example/w1", bytes(range(32)))).verifier)
    policy = Policy((KnownLog(rig.signer.verifier),), (known,), (), "w1")
    witnessing = Witnessing(
        rig.ledger(), key=rig.signer.verifier, policy=policy, client=WitnessClient(), kept=kept,
        file=CosignedFile(rig.folder._history.parent), clock=rig.clock)
    unheard = await witnessing.behind(512)
    await kept.keep(300, f"{known.key.name}+{known.key.key_id.hex()}", 1, "line\n")

    assert (unheard, await witnessing.behind(512), await witnessing.behind(256)) == ([], ["w1"], [])
