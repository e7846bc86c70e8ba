"""Erasing somebody: their fields are gone for good, the entries and the chain stay, an entry says so, and only that."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from audit_ledger.domain.erasures import SUBJECT_ERASED
from audit_ledger.domain.errors import LedgerDownError, RefusedEventError
from audit_ledger.domain.finding import Verdict
from audit_ledger.domain.personal import ERASED
from audit_ledger.domain.sealing import UNKNOWN, KeyEncryptionKey
from audit_ledger.service import Ledger
from audit_ledger.service.erasure import Erasure, UnfinishedErasureError, UnknownSubjectError
from audit_ledger.service.sealing import DESTROYED
from audit_ledger.store.subject_keys import SubjectKeys
from shared_kernel.errors import UnprocessableError
from shared_kernel.events import Event, Receipt
from tests.audit_ledger.rig import Rig
from tests.audit_ledger.sealing_rig import STEWARD, SealingRig

KEK = KeyEncryptionKey(bytes(range(32)))


@pytest.fixture
async def desk(rig: Rig) -> AsyncIterator[SealingRig]:
    made = SealingRig(rig, KEK)
    await made.ledger.start()
    yield made
    await made.ledger.stop()


async def test_readers_get_the_event_that_was_recorded_and_the_database_does_not(desk: SealingRig) -> None:
    event = desk.event("ada")

    receipt = await desk.ledger.record(event)

    assert await desk.event_at(receipt.seq) == event
    assert [each.event for each in await desk.ledger.find(subject="ada")] == [event]
    payload = (await desk.ledger.entry(receipt.seq)).payload
    assert [secret in payload for secret in (b"the person", b"192.0.2.7", b"Mozilla")] == [False] * 3


async def test_an_event_without_personal_fields_is_recorded_as_it_is(desk: SealingRig) -> None:
    event = desk.rig.event(1)

    assert await desk.sealer.seal(event) is event


async def test_nobody_else_writes_the_ledger_s_own_section(desk: SealingRig) -> None:
    with pytest.raises(RefusedEventError, match=r"grid\.sealed is the ledger's own"):
        await desk.ledger.record(desk.rig.event(1) | {"grid": {"sealed": {"erased_at": "2026-01-01T00:00:00.000000Z"}}})


async def test_erasing_closes_that_subject_s_fields_and_no_others(desk: SealingRig) -> None:
    ada, bob = await desk.seal("ada", "bob")

    done = await desk.erasure.erase("ada", reason="asked on 1 May", context=STEWARD)

    found = await desk.event_at(ada)
    assert (found["user"], found["source"]) == ({"id": "ada", "name": ERASED, "roles": ["grid_operator"]}, {})
    assert found["grid"]["sealed"]["erased_at"] == "2026-11-18T11:06:40.000000Z"
    assert await desk.event_at(bob) == desk.event("bob") | {"event": (await desk.event_at(bob))["event"]}
    assert (done.subject, len(done.keys), done.entries) == ("ada", 1, 1)


async def test_the_erasure_is_an_entry_that_names_who_and_why(desk: SealingRig) -> None:
    await desk.seal("ada", "ada")

    done = await desk.erasure.erase("ada", reason="asked on 1 May", context=STEWARD)

    [entry] = await desk.erasure.past(None, 10)
    assert entry.event["event"]["action"] == SUBJECT_ERASED
    assert entry.event["event"]["reason"] == "asked on 1 May"
    assert entry.event["user"]["name"] == "stella"
    assert entry.event["grid"] == {"erasure": {"subject": "ada", "keys": list(done.keys), "entries": 2}}


async def test_the_ledger_is_good_after_an_erasure(desk: SealingRig) -> None:
    await desk.seal("ada", "bob", "ada")
    await desk.erasure.erase("ada", reason="asked", context=STEWARD)
    await desk.seal("ada")
    await desk.ledger.publish_checkpoint()

    assert (await desk.rig.verify()).verdict is Verdict.GOOD
    assert await desk.check() == []
    assert await desk.check(with_kek=False) == []


async def test_later_events_of_an_erased_subject_have_a_new_key(desk: SealingRig) -> None:
    [before] = await desk.seal("ada")
    done = await desk.erasure.erase("ada", reason="asked")

    [after] = await desk.seal("ada")

    assert (await desk.event_at(after))["user"]["name"] == "ada the person"
    assert (await desk.event_at(before))["user"]["name"] == ERASED
    again = await desk.erasure.erase("ada", reason="asked again")
    assert (set(again.keys) & set(done.keys), again.entries) == (set(), 1)
    assert (await desk.event_at(after))["user"]["name"] == ERASED
    assert await desk.check() == []


async def test_erasing_twice_is_harmless(desk: SealingRig) -> None:
    await desk.seal("ada")

    first, second = await asyncio.gather(*(desk.erasure.erase("ada", reason="asked") for _ in range(2)))

    assert (len(first.keys), second.keys, second.entries) == (1, (), 0)
    assert len(await desk.erasure.past(None, 10)) == 1


async def test_an_unknown_subject_is_no_success(desk: SealingRig) -> None:
    with pytest.raises(UnknownSubjectError, match=r"give the `user\.id`"):
        await desk.erasure.erase("ada the person", reason="asked")


@pytest.mark.parametrize(("subject", "reason"), [
    ("", "asked"), ("a\ud800", "asked"), ("ada", ""), ("ada", "  "),
    ("ada", "line\nbreak"), ("ada", "x" * 501),
])
async def test_what_cannot_be_a_subject_or_a_reason_is_refused(desk: SealingRig, subject: str, reason: str) -> None:
    with pytest.raises(UnprocessableError):
        await desk.erasure.erase(subject, reason=reason)


@pytest.mark.parametrize("who", ["line\nbreak", "with\0nul", "x" * 600, "\u202e\u00e9", "' OR 1=1 --"])
async def test_anybody_can_be_sealed_and_erased_whatever_their_id(desk: SealingRig, who: str) -> None:
    [seq] = await desk.seal(who)
    assert (await desk.event_at(seq))["user"]["name"] == f"{who} the person"

    assert (await desk.erasure.erase(who, reason="asked")).entries == 1

    assert (await desk.event_at(seq))["user"]["name"] == ERASED
    assert await desk.check() == []


async def test_somebody_may_erase_themselves(desk: SealingRig) -> None:
    await desk.seal("steward-1")

    await desk.erasure.erase("steward-1", reason="asked", context=STEWARD)

    [entry] = await desk.erasure.past(None, 10)
    assert entry.event["user"]["name"] == "stella"
    await desk.erasure.erase("steward-1", reason="asked again")
    assert (await desk.erasure.past(None, 10))[1].event["user"]["name"] == ERASED
    assert await desk.check() == []


async def test_whom_an_event_is_about_is_erased_apart_from_who_acted(desk: SealingRig) -> None:
    event = desk.event("ada")
    event["user"]["target"] = {"id": "bob", "name": "Bob B."}
    receipt = await desk.ledger.record(event)

    await desk.erasure.erase("bob", reason="asked")

    found = await desk.event_at(receipt.seq)
    assert (found["user"]["name"], found["user"]["target"]["name"]) == ("ada the person", ERASED)
    assert await desk.check() == []


async def test_another_process_stops_reading_within_seconds(desk: SealingRig) -> None:
    [seq] = await desk.seal("ada")
    other = desk.beside()
    assert (await other.ledger.read(seq, 1))[0].event["user"]["name"] == "ada the person"

    await desk.erasure.erase("ada", reason="asked")

    async with asyncio.timeout(8):
        while (await other.ledger.read(seq, 1))[0].event["user"]["name"] != ERASED:  # noqa: ASYNC110 - a cache grows old
            await asyncio.sleep(0.1)


async def test_a_key_that_is_gone_is_never_called_erased(desk: SealingRig) -> None:
    ada, bob = await desk.seal("ada", "bob")
    await desk.attack("DELETE FROM audit_ledger.subject_keys WHERE subject = 'ada'")
    await desk.attack("UPDATE audit_ledger.subject_keys SET wrapped = NULL, erased_at_us = 1 WHERE subject = 'bob'")

    found = [await desk.event_at(ada), await desk.event_at(bob)]

    assert [each["grid"]["sealed"]["unreadable"] for each in found] == [UNKNOWN.why, DESTROYED.why]
    assert ERASED not in str(found)


async def test_what_an_entry_calls_erased_stays_closed_when_the_key_comes_back(desk: SealingRig) -> None:
    [seq] = await desk.seal("ada")
    [key] = await desk.keys.of("ada")
    await desk.erasure.erase("ada", reason="asked")
    await desk.attack("UPDATE audit_ledger.subject_keys SET wrapped = $1, erased_at_us = NULL", key.wrapped)

    assert (await desk.beside().ledger.read(seq, 1))[0].event["user"]["name"] == ERASED


async def test_two_processes_make_one_key(desk: SealingRig) -> None:
    others = [desk.beside() for _ in range(4)]

    sealed = await asyncio.gather(*(each.sealer.seal(desk.event("ada", n)) for n, each in enumerate(others * 5)))

    assert len({each["grid"]["sealed"]["key"] for each in sealed}) == 1
    assert len(await desk.keys.of("ada")) == 1


async def test_few_keys_at_hand_seal_for_many(desk: SealingRig) -> None:
    desk.sealer._capacity = 2
    people = [f"person-{number % 5}" for number in range(20)]

    seqs = await desk.seal(*people)

    assert [(await desk.event_at(seq))["user"]["id"] for seq in seqs] == people
    assert len(await desk.keys.of("person-0")) == 1


async def test_with_another_home_s_key_nothing_is_sealed_and_nothing_is_called_erased(desk: SealingRig) -> None:
    [seq] = await desk.seal("ada")
    lost = SealingRig(desk.rig, KeyEncryptionKey(b"x" * 32))

    with pytest.raises(LedgerDownError, match=r"restore keys/subjects\.key"):
        await lost.sealer.seal(desk.event("ada"))
    assert "is not the one" in (await lost.ledger.read(seq, 1))[0].event["grid"]["sealed"]["unreadable"]


async def test_a_home_that_lost_its_key_for_good_erases_and_goes_on(desk: SealingRig) -> None:
    await desk.seal("ada", "steward-1")
    await desk.ledger.stop()
    lost = SealingRig(desk.rig, KeyEncryptionKey(b"x" * 32))
    await lost.ledger.start()

    for who in ("steward-1", "ada"):
        await lost.erasure.erase(who, reason="keys/subjects.key is lost", context=STEWARD)
    [seq] = await lost.seal("ada")

    assert (await lost.event_at(seq))["user"]["name"] == "ada the person"
    assert await lost.check() == []
    await lost.ledger.stop()


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


async def test_sealing_and_opening_survive_a_restart(desk: SealingRig) -> None:
    [seq] = await desk.seal("ada")
    await desk.ledger.stop()
    again = desk.beside()
    await again.ledger.start()

    assert await again.erasure.finish() == 0
    [later] = await again.seal("ada")

    assert (await again.event_at(seq))["user"] == (await again.event_at(later))["user"]
    assert len(await again.keys.of("ada")) == 1
    await again.ledger.stop()
