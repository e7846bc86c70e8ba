"""Erasures that meet writers, readers, verifications and failures half-way: nothing is left half, or it is said."""

import asyncio
from collections.abc import Sequence

import pytest

from audit_ledger.domain.errors import LedgerDownError
from audit_ledger.domain.privacy.personal import ERASED
from audit_ledger.service import Ledger
from audit_ledger.service.privacy.erasure import Erasure, UnfinishedErasureError
from audit_ledger.store.subject_keys import SubjectKeys
from shared_kernel.events import Event, Receipt
from tests.audit_ledger.rig import Rig
from tests.audit_ledger.sealing_rig import KEK, SealingRig


async def test_another_process_stops_reading_within_seconds(desk: SealingRig) -> None:
    [seq] = await desk.seal("ada")
    other = desk.beside()
    assert (await other.ledger.read(seq, 1))[0].event["user"]["name"] == "ada the person"

    await desk.erasure.erase("ada", reason="asked")

    async with asyncio.timeout(8):
        while (await other.ledger.read(seq, 1))[0].event["user"]["name"] != ERASED:  # noqa: ASYNC110 - a cache grows old
            await asyncio.sleep(0.1)


async def test_two_processes_make_one_key(desk: SealingRig) -> None:
    others = [desk.beside() for _ in range(4)]

    sealed = await asyncio.gather(*(each.sealer.seal(desk.event("ada", n)) for n, each in enumerate(others * 5)))

    assert len({each["grid"]["sealed"]["key"] for each in sealed}) == 1
    assert len(await desk.keys.of("ada")) == 1


async def test_an_erasure_that_cannot_be_sealed_destroys_nothing(desk: SealingRig) -> None:
    [seq] = await desk.seal("ada")
    await desk.ledger.stop()

    with pytest.raises(Exception, match="not running"):
        await desk.erasure.erase("ada", reason="asked")

    assert (await desk.event_at(seq))["user"]["name"] == "ada the person"
    await desk.ledger.start()
    assert len((await desk.erasure.erase("ada", reason="asked")).keys) == 1
    assert (await desk.event_at(seq))["user"]["name"] == ERASED


async def test_erasing_while_events_are_recorded_leaves_nothing_half(desk: SealingRig) -> None:
    stop = asyncio.Event()
    await desk.seal("ada")

    async def hand() -> None:
        while not stop.is_set():
            await desk.ledger.record(desk.event("ada"))

    hands = [asyncio.create_task(hand()) for _ in range(40)]
    erased = []
    for _ in range(8):
        await asyncio.sleep(0.05)
        erased.append(await desk.erasure.erase("ada", reason="asked"))
    stop.set()
    await asyncio.gather(*hands)

    assert await desk.check() == []
    found = await desk.ledger.find(subject="ada", limit=100_000)
    names = [each.event["user"]["name"] for each in found]
    erasures = [each.seq for each in await desk.erasure.past(None, 100)]
    assert [len(each.keys) for each in erased] == [1] * 8
    assert len(erasures) == 8
    assert all(name == (ERASED if each.seq < max(erasures) else "ada the person")
               for each, name in zip(found, names, strict=True))


async def test_an_event_that_waits_for_its_key_never_gets_one_that_is_being_erased(desk: SealingRig) -> None:
    await desk.seal("ada")
    [old] = await desk.keys.of("ada")
    cold = desk.beside().sealer
    waiting = [asyncio.create_task(cold.seal(desk.event("ada"))) for _ in range(3)]
    for _ in range(2):
        await asyncio.sleep(0)  # until the database is asked

    cold.retire([old.commitment], "ada")

    async with asyncio.timeout(10):
        events = [*await asyncio.gather(*waiting), await cold.seal(desk.event("ada"))]
    keys = {each["grid"]["sealed"]["key"] for each in events}
    assert (len(keys), old.commitment in keys) == (1, False)


class StuckKeys(SubjectKeys):
    """The database goes away after the entry, once."""

    is_stuck = True

    async def destroy(self, commitments: Sequence[str], at_us: int) -> int:
        if self.is_stuck:
            self.is_stuck = False
            raise LedgerDownError("ConnectionError")
        return await super().destroy(commitments, at_us)


async def test_an_erasure_that_is_sealed_and_not_done_says_so_and_can_be_repeated(rig: Rig) -> None:
    desk = SealingRig(rig, KEK, StuckKeys)
    await desk.ledger.start()
    [seq] = await desk.seal("ada")

    with pytest.raises(UnfinishedErasureError, match="repeat the request"):
        await desk.erasure.erase("ada", reason="asked")

    assert (await desk.event_at(seq))["user"]["name"] == ERASED
    assert await desk.check() == [("not_erased", 2, 2)]
    [later] = await desk.seal("ada")
    assert len((await desk.erasure.erase("ada", reason="asked")).keys) == 2
    assert (await desk.event_at(later))["user"]["name"] == ERASED
    assert await desk.check() == []
    await desk.ledger.stop()


class SlowKeys(SubjectKeys):
    """Destroys when it is told to."""

    may_go_on = asyncio.Event()

    async def destroy(self, commitments: Sequence[str], at_us: int) -> int:
        await self.may_go_on.wait()
        return await super().destroy(commitments, at_us)


async def test_a_verification_that_falls_between_entry_and_destruction_is_no_alarm(rig: Rig) -> None:
    desk = SealingRig(rig, KEK, SlowKeys)
    await desk.ledger.start()
    await desk.seal("ada")
    erasing = asyncio.create_task(desk.erasure.erase("ada", reason="asked"))
    await desk.ledger.wait_beyond(2)

    checking = asyncio.create_task(desk.check())
    await asyncio.sleep(0.5)
    SlowKeys.may_go_on.set()

    assert await checking == []
    assert len((await erasing).keys) == 1
    await desk.ledger.stop()


class Forgetful:
    """A ledger that seals and whose answer is lost."""

    def __init__(self, ledger: Ledger) -> None:
        self.find = ledger.find
        self._ledger = ledger

    async def record(self, event: Event) -> Receipt:
        await self._ledger.record(event)
        raise LedgerDownError("TimeoutError")


class Read:
    """A ledger that somebody reads just before it seals."""

    def __init__(self, ledger: Ledger) -> None:
        self.find = ledger.find
        self._ledger = ledger

    async def record(self, event: Event) -> Receipt:
        await self._ledger.read(0, 10)
        return await self._ledger.record(event)


async def test_what_was_read_while_erasing_is_not_remembered(desk: SealingRig) -> None:
    [seq] = await desk.seal("ada")

    await Erasure(desk.keys, desk.sealer, Read(desk.ledger), desk.rig.clock).erase("ada", reason="asked")

    assert (await desk.event_at(seq))["user"]["name"] == ERASED


async def test_after_a_lost_answer_no_entry_uses_the_key_that_may_be_erased(desk: SealingRig) -> None:
    [before] = await desk.seal("ada")
    with pytest.raises(LedgerDownError):
        await Erasure(desk.keys, desk.sealer, Forgetful(desk.ledger), desk.rig.clock).erase("ada", reason="asked")

    [after] = await desk.seal("ada")
    left = await desk.beside().erasure.finish()

    assert left == 1
    assert await desk.check() == []
    names = [(await desk.beside().event_at(seq))["user"]["name"] for seq in (before, after)]
    assert names == [ERASED, "ada the person"]


async def test_whoever_takes_the_lead_completes_what_was_begun_and_forgets_what_it_knew(desk: SealingRig) -> None:
    """The one that stood by has Ada's key at hand when the other erases her."""
    standby = desk.beside()
    await desk.seal("ada")
    await standby.sealer.seal(desk.event("ada"))
    await desk.erasure.erase("ada", reason="asked")
    await desk.ledger.stop()

    standby.ledger.before_leading(standby.erasure.finish)
    await standby.ledger.start()
    [seq] = await standby.seal("ada")

    assert (await standby.event_at(seq))["user"]["name"] == "ada the person"
    assert await standby.check() == []
    await standby.ledger.stop()
