"""Erasing somebody: their fields are gone for good, the entries and the chain stay, an entry says so, and only that."""

import asyncio

import pytest

from audit_ledger.domain.audit.finding import Verdict
from audit_ledger.domain.errors import LedgerDownError, RefusedEventError
from audit_ledger.domain.privacy.erasures import SUBJECT_ERASED
from audit_ledger.domain.privacy.personal import ERASED
from audit_ledger.domain.privacy.sealing import UNKNOWN, KeyEncryptionKey
from audit_ledger.service.privacy.erasure import UnknownSubjectError
from audit_ledger.service.privacy.sealing import DESTROYED
from shared_kernel.errors import UnprocessableError
from tests.audit_ledger.sealing_rig import STEWARD, SealingRig


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
