"""Every planted attack on sealed fields, and what the check of their keys says. The attacker is a superuser."""
# ruff: noqa: S608 - planted attacks are SQL text, by design

import os
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from audit_ledger.domain.audit.finding import Verdict
from audit_ledger.domain.privacy.erasures import erasure_event
from audit_ledger.domain.privacy.personal import ERASED
from audit_ledger.domain.privacy.sealing import DAMAGED, UNKNOWN, WRONG, commitment_of
from audit_ledger.service.audit.verifier import SealedKeys
from audit_ledger.service.ledger import readable
from audit_ledger.service.privacy.sealing import DESTROYED
from tests.audit_ledger.rig import Rig, kinds
from tests.audit_ledger.sealing_rig import KEK, SealingRig

KEYS = "audit_ledger.subject_keys"
ADA, BOB, LAST_ADA = 1, 2, 3
"""Positions: 0 is `ledger_started`."""


@pytest.fixture
async def desk(rig: Rig) -> AsyncIterator[SealingRig]:
    """Ada, Bob, Ada: two subjects, three sealed entries."""
    made = SealingRig(rig, KEK)
    await made.ledger.start()
    await made.seal("ada", "bob", "ada")
    yield made
    await made.ledger.stop()


async def commitment(desk: SealingRig, who: str) -> str:
    return (await desk.keys.of(who))[-1].commitment


async def swap_key(desk: SealingRig) -> None:
    """Another key, wrapped as it should be, under the name of Ada's."""
    await desk.attack(f"UPDATE {KEYS} SET wrapped = $1 WHERE subject = 'ada'", KEK.wrap(os.urandom(32)))


async def swap_with_bob(desk: SealingRig) -> None:
    """Bob's key under the name of Ada's."""
    await desk.attack(f"UPDATE {KEYS} SET wrapped = (SELECT wrapped FROM {KEYS} WHERE subject = 'bob') "
                      "WHERE subject = 'ada'")


async def break_wrapping(desk: SealingRig) -> None:
    await desk.attack(f"UPDATE {KEYS} SET wrapped = set_byte(wrapped, 9, get_byte(wrapped, 9) # 1) "
                      "WHERE subject = 'ada'")


async def delete_row(desk: SealingRig) -> None:
    await desk.attack(f"DELETE FROM {KEYS} WHERE subject = 'ada'")


async def destroy_quietly(desk: SealingRig) -> None:
    """What the writer's role may do: no guard is in its way."""
    await desk.keys.destroy([await commitment(desk, "ada")], 1)


async def destroy_after_erasing_bob(desk: SealingRig) -> None:
    """Name Ada's key in an erasure of Bob."""
    await desk.forge(erasure_event(
        desk.rig.clock, "bob", keys=[await commitment(desk, "ada")], entries=2, reason="asked", context=None))
    await destroy_quietly(desk)


async def rename_subject(desk: SealingRig) -> None:
    """Make Bob's erasure fit the row of Ada's key."""
    await destroy_after_erasing_bob(desk)
    await desk.attack(f"UPDATE {KEYS} SET subject = 'bob' WHERE commitment = $1", await commitment(desk, "ada"))


async def erase_before_use(desk: SealingRig) -> None:
    """An erasure that came before the last entry under the key explains nothing."""
    key = await commitment(desk, "ada")
    await desk.forge(erasure_event(
        desk.rig.clock, "ada", keys=[key], entries=2, reason="asked", context=None))
    await desk.seal("ada")
    await destroy_quietly(desk)


async def restore_from_backup(desk: SealingRig) -> None:
    [key] = await desk.keys.of("ada")
    await desk.erasure.erase("ada", reason="asked")
    await desk.attack(f"UPDATE {KEYS} SET wrapped = $1, erased_at_us = NULL WHERE subject = 'ada'", key.wrapped)


Attack = Callable[[SealingRig], Awaitable[None]]
Found = tuple[str, int, int]

ATTACKS: dict[str, tuple[Attack, Found, str]] = {
    "a key swapped under a sealed field, wrapped well": (
        swap_key, ("key_mismatch", ADA, LAST_ADA), "another than its name says"),
    "two subjects' keys exchanged": (
        swap_with_bob, ("key_mismatch", ADA, LAST_ADA), "another than its name says"),
    "a wrapped key damaged": (
        break_wrapping, ("key_mismatch", ADA, LAST_ADA), "does not open"),
    "a key row deleted": (
        delete_row, ("key_missing", ADA, LAST_ADA), "is not stored"),
    "erased subject as an excuse, without an entry": (
        destroy_quietly, ("key_missing", ADA, LAST_ADA), "no entry says that its subject was erased"),
    "erased subject as an excuse, with another's entry": (
        destroy_after_erasing_bob, ("key_missing", ADA, LAST_ADA), "no entry says that its subject was erased"),
    "the key's subject renamed to fit another's erasure": (
        rename_subject, ("key_mismatch", ADA, LAST_ADA), "its entries name another"),
    "an erasure from before the last use": (
        erase_before_use, ("key_missing", 5, 5), "the erasure at 4 came before them"),
    "a destroyed key restored from a backup": (
        restore_from_backup, ("not_erased", 4, 4), "it is still stored"),
}


BLIND = {"a key swapped under a sealed field, wrapped well", "two subjects' keys exchanged", "a wrapped key damaged"}
"""What only an auditor with the home's key can see; the others need nothing but the database."""


@pytest.mark.parametrize("name", ATTACKS)
async def test_one_attack_gives_one_named_finding(desk: SealingRig, name: str) -> None:
    attack, expected, sentence = ATTACKS[name]
    assert await desk.check() == []

    await attack(desk)

    [(*found, told)] = await desk.told()
    assert (tuple(found), sentence in told) == (expected, True)
    assert await desk.check(with_kek=False) == ([] if name in BLIND else [expected])


READ: dict[str, tuple[Attack, str]] = {
    "a key swapped": (swap_key, WRONG.why), "two keys exchanged": (swap_with_bob, WRONG.why),
    "a wrapped key damaged": (break_wrapping, WRONG.why), "a key row deleted": (delete_row, UNKNOWN.why),
    "a key destroyed without an entry": (destroy_quietly, DESTROYED.why),
    "a key destroyed with another's entry": (destroy_after_erasing_bob, DESTROYED.why),
}


@pytest.mark.parametrize("name", READ)
async def test_a_reader_is_told_what_is_wrong_and_never_that_it_was_erased(desk: SealingRig, name: str) -> None:
    attack, why = READ[name]

    await attack(desk)

    [found] = [each.event for each in await desk.beside().ledger.read(ADA, 1)]
    assert (found["grid"]["sealed"]["unreadable"], found["user"]) == (why, {"id": "ada", "roles": ["grid_operator"]})
    assert ERASED not in str(found)


async def test_a_verification_reports_the_keys_beside_the_chain(desk: SealingRig) -> None:
    await swap_key(desk)
    await desk.ledger.publish_checkpoint()

    with_key = await desk.rig.verify(keys=SealedKeys(desk.keys, KEK))
    without = await desk.rig.verify(keys=SealedKeys(desk.keys))

    assert (kinds(with_key), with_key.verdict) == ([("key_mismatch", ADA, LAST_ADA)], Verdict.TAMPERED)
    assert (kinds(without), without.verdict) == ([], Verdict.GOOD)


async def test_a_box_moved_to_another_event_does_not_open(desk: SealingRig) -> None:
    """The attacker has the code and seals a new entry with Ada's old box: the chain is whole, the box is not."""
    old = readable((await desk.ledger.entry(ADA)).payload)
    forged = desk.rig.event(9) | {"user": {"id": "ada"}, "source": {}, "user_agent": {}, "grid": old["grid"]}

    receipt = await desk.forge(forged)

    assert (await desk.event_at(receipt.seq))["grid"]["sealed"]["unreadable"] == DAMAGED.why


async def test_a_flipped_bit_of_a_box_is_an_edited_entry(desk: SealingRig) -> None:
    await desk.rig.attack("UPDATE audit_ledger.entries SET payload = overlay(payload PLACING 'AAAA'::bytea FROM "
                          "position('\"box\":\"'::bytea IN payload) + 9) WHERE seq = 1")

    assert kinds(await desk.rig.verify()) == [("edited", ADA, ADA)]
    assert (await desk.event_at(ADA))["grid"]["sealed"]["unreadable"] == DAMAGED.why


async def test_a_swapped_commitment_is_an_edited_entry(desk: SealingRig) -> None:
    """The whole plot: the attacker's own key, its row, its box; only the chain stands against it."""
    secret = os.urandom(32)
    await desk.attack(f"UPDATE {KEYS} SET wrapped = $1, commitment = $2 WHERE subject = 'ada'",
                      KEK.wrap(secret), commitment_of(secret))
    await desk.rig.attack(
        "UPDATE audit_ledger.entries SET sealed_key = $1, payload = overlay(payload PLACING $1::text::bytea FROM "
        "position('\"key\":\"'::bytea IN payload) + 7) WHERE seq IN (1, 3)", arguments=(commitment_of(secret),))

    assert kinds(await desk.rig.verify()) == [("edited", 1, 1), ("edited", 3, 3)]


async def test_a_key_column_that_hides_an_entry_is_found_by_the_walk(desk: SealingRig) -> None:
    await desk.rig.attack("UPDATE audit_ledger.entries SET sealed_key = NULL WHERE seq = 1")

    assert kinds(await desk.rig.verify()) == [("column_mismatch", 1, 1)]


async def test_a_key_only_others_entries_need_is_checked_too(desk: SealingRig) -> None:
    event = desk.event("ada")
    event["user"]["target"] = {"id": "carol", "name": "Carol"}
    await desk.ledger.record(event)

    await desk.keys.destroy([await commitment(desk, "carol")], 1)

    [(kind, first, last, told)] = await desk.told()
    assert ((kind, first, last), await commitment(desk, "carol") in told) == (("key_missing", 0, 0), True)


async def test_a_destroyed_key_whose_erasure_was_pruned_is_no_finding(desk: SealingRig) -> None:
    await desk.attack(f"INSERT INTO {KEYS} VALUES ($1, 'long-gone', 'zoe', NULL, 1, 2)", desk.rig.signer.name)
    assert await desk.check() == [("key_missing", 0, 0)]

    await desk.attack("INSERT INTO audit_ledger.prunes VALUES ($1, 256, sha256('x'), sha256('y'), 1)",
                      desk.rig.signer.name)

    assert await desk.check() == []


async def test_a_damaged_erasure_entry_excuses_nothing_and_stops_nobody(desk: SealingRig) -> None:
    await desk.erasure.erase("ada", reason="asked")
    await desk.rig.attack("UPDATE audit_ledger.entries SET payload = '[]' WHERE action = 'subject_erased'")

    assert await desk.check() == [("key_missing", ADA, LAST_ADA)]
    found = await desk.beside().ledger.read(ADA, 1)
    assert found[0].event["grid"]["sealed"]["unreadable"] == DESTROYED.why


async def test_many_keys_are_checked_page_by_page(desk: SealingRig) -> None:
    people = [f"person-{number}" for number in range(1_100)]
    await desk.seal(*people)
    await desk.attack(f"DELETE FROM {KEYS} WHERE subject = 'person-777'")

    assert await desk.check() == [("key_missing", 781, 781)]
