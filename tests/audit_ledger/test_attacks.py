"""Every planted attack, and which check catches it. The attacker is the database's superuser."""
# ruff: noqa: S608 - planted attacks are SQL text, by design


import asyncpg
import pytest

from audit_ledger.domain.checkpoint import Checkpoint
from audit_ledger.domain.columns import columns_of
from audit_ledger.domain.entry import hasher
from audit_ledger.domain.finding import Mode, Verdict
from audit_ledger.domain.merkle import root_of
from audit_ledger.domain.note import NoteSigner
from tests.audit_ledger.rig import Rig, filled, kinds

ENTRIES = "audit_ledger.entries"
FORGED = b'{"event":{"action":"nothing_happened"}}'


async def rewritten(rig: Rig, start: int) -> list[bytes]:
    """Forge the entry `start` and rewrite all that follow as a consistent chain; return all entry hashes."""
    entries = await rig.reader.entries(0, 100)
    entry_hash = hasher(rig.signer.name)
    hashes = [entry.entry_hash for entry in entries[:start]]
    for entry in entries[start:]:
        is_forged = entry.seq == start
        body, columns = (FORGED, columns_of({"event": {"action": "nothing_happened"}})) if is_forged else (
            entry.payload, entry.columns)
        previous = hashes[-1] if hashes else bytes(32)
        hashes.append(entry_hash(previous, entry.seq, entry.recorded_at_us, body))
        await rig.attack(
            f"UPDATE {ENTRIES} SET prev_hash = $1, entry_hash = $2, payload = $3, action = $4, subject = $5, "
            "request_id = $6, dataset = $7, outcome = $8, event_time = $9, sealed_key = $10 WHERE seq = $11",
            arguments=(previous, hashes[-1], body, *columns, entry.seq))
    await rig.attack("DROP TRIGGER IF EXISTS only_grows ON audit_ledger.heads")
    await rig.attack("UPDATE audit_ledger.heads SET entry_hash = $1", arguments=(hashes[-1],))
    return hashes


async def with_checkpoints_signed_by(rig: Rig, signer: NoteSigner, hashes: list[bytes], *sizes: int) -> None:
    """Replace the checkpoints in the database."""
    await rig.attack("DELETE FROM audit_ledger.checkpoints")
    for size in sizes:
        note = Checkpoint(rig.signer.name, size, root_of(hashes[:size])).signed_by(signer)
        await rig.attack("INSERT INTO audit_ledger.checkpoints VALUES ($1, $2, 0, $3)",
                         arguments=(rig.signer.name, size, note))


async def test_an_honest_ledger_is_good_and_anchored(rig: Rig) -> None:
    await filled(rig)

    report = await rig.verify()

    assert (report.verdict, report.mode, report.anchored_size, report.holds_to) == (Verdict.GOOD, Mode.ANCHORED, 20, 20)


ONE_STATEMENT_ATTACKS = {
    "one flipped bit in a payload": (
        f"UPDATE {ENTRIES} SET payload = set_byte(payload, 30, get_byte(payload, 30) # 1) WHERE seq = 7",
        [("edited", 7, 7)]),
    "a payload replaced": (
        f"UPDATE {ENTRIES} SET payload = '{{}}' WHERE seq = 7", [("edited", 7, 7)]),
    "a payload that is not JSON any more": (
        f"UPDATE {ENTRIES} SET payload = '\\xff00' WHERE seq = 7", [("edited", 7, 7)]),
    "the first payload": (
        f"UPDATE {ENTRIES} SET payload = '{{}}' WHERE seq = 0", [("edited", 0, 0)]),
    "the last payload": (
        f"UPDATE {ENTRIES} SET payload = '{{}}' WHERE seq = 19", [("edited", 19, 19)]),
    "the time of recording": (
        f"UPDATE {ENTRIES} SET recorded_at_us = recorded_at_us - 1 WHERE seq = 7", [("edited", 7, 7)]),
    "the entry hash": (
        f"UPDATE {ENTRIES} SET entry_hash = sha256('x') WHERE seq = 7", [("edited", 7, 7)]),
    "the stored link": (
        f"UPDATE {ENTRIES} SET prev_hash = sha256('x') WHERE seq = 7", [("column_mismatch", 7, 7)]),
    "the same JSON in other bytes": (
        f"UPDATE {ENTRIES} SET payload = payload || ' '::bytea WHERE seq = 7", [("edited", 7, 7)]),
    "a query column": (
        f"UPDATE {ENTRIES} SET subject = 'somebody else' WHERE seq = 7", [("column_mismatch", 7, 7)]),
    "a query column emptied": (
        f"UPDATE {ENTRIES} SET action = NULL WHERE seq = 7", [("column_mismatch", 7, 7)]),
    "an entry deleted": (
        f"DELETE FROM {ENTRIES} WHERE seq = 7", [("missing", 7, 7)]),
    "the first entry deleted": (
        f"DELETE FROM {ENTRIES} WHERE seq = 0", [("missing", 0, 0)]),
    "three entries deleted": (
        f"DELETE FROM {ENTRIES} WHERE seq BETWEEN 7 AND 9", [("missing", 7, 9)]),
    "the tail cut": (
        f"DELETE FROM {ENTRIES} WHERE seq >= 15", [("truncated", 15, 19)]),
    "a row moved to another stream": (
        f"UPDATE {ENTRIES} SET stream = 'gridwarden/other' WHERE seq = 7",
        [("foreign_stream", 7, 7), ("missing", 7, 7)]),
    "a checkpoint deleted": (
        "DELETE FROM audit_ledger.checkpoints WHERE size = 10", [("checkpoint_missing", 10, 10)]),
    "a checkpoint corrupted": (
        "UPDATE audit_ledger.checkpoints SET note = set_byte(note, 30, 65) WHERE size = 10",
        [("checkpoint_missing", 10, 10), ("checkpoint_signature", 10, 10)]),
    "a checkpoint that is no note": (
        "UPDATE audit_ledger.checkpoints SET note = 'x' WHERE size = 10",
        [("checkpoint_missing", 10, 10), ("checkpoint_signature", 10, 10)]),
    "the head hash": (
        "UPDATE audit_ledger.heads SET entry_hash = sha256('x')", [("head_mismatch", 19, 19)]),
    "the head row deleted": (
        "DELETE FROM audit_ledger.heads", [("head_mismatch", 20, 20)]),
}


@pytest.mark.parametrize("name", ONE_STATEMENT_ATTACKS)
async def test_one_attack_gives_one_named_finding(rig: Rig, name: str) -> None:
    await filled(rig)
    statement, expected = ONE_STATEMENT_ATTACKS[name]
    await rig.attack("DROP TRIGGER IF EXISTS only_grows ON audit_ledger.heads", statement)

    report = await rig.verify()

    assert (kinds(report), report.verdict) == (expected, Verdict.TAMPERED)


async def test_a_damaged_entry_is_named_with_its_action_and_time(rig: Rig) -> None:
    await filled(rig)
    await rig.attack(f"UPDATE {ENTRIES} SET payload = '{{}}' WHERE seq = 7")

    report = await rig.verify()

    [finding] = report.findings
    assert (finding.action, finding.event_time) == ("access_decision", "2026-11-18T11:06:40.000000Z")
    assert (report.holds_to, report.checkpoints_good) == (1, 6)


async def test_an_entry_edited_and_rehashed_breaks_the_chain_at_its_successor(rig: Rig) -> None:
    await filled(rig)
    entry = await rig.reader.entries(7, 1)
    forged = hasher(rig.signer.name)(entry[0].prev_hash, 7, entry[0].recorded_at_us, FORGED)

    await rig.attack(
        f"UPDATE {ENTRIES} SET payload = $1, entry_hash = $2, action = 'nothing_happened', subject = NULL, "
        "request_id = NULL, dataset = NULL, outcome = NULL, event_time = NULL WHERE seq = 7",
        arguments=(FORGED, forged))

    assert kinds(await rig.verify()) == [("broken_chain", 7, 7)]


async def test_a_rewritten_suffix_is_caught_by_the_checkpoint_between(rig: Rig) -> None:
    await filled(rig)

    await rewritten(rig, 13)

    report = await rig.verify()
    assert kinds(report) == [("checkpoint_mismatch", 10, 19)]
    assert report.holds_to == 10


async def test_a_rewritten_suffix_with_the_checkpoints_removed_is_caught_only_outside(rig: Rig) -> None:
    await filled(rig)
    await rewritten(rig, 13)
    await rig.attack("DELETE FROM audit_ledger.checkpoints WHERE size > 10")

    outside, inside_only = await rig.verify(), await rig.verify(outside=False)

    assert kinds(outside) == [("checkpoint_mismatch", 10, 19), ("checkpoint_missing", 20, 20)]
    assert (kinds(inside_only), inside_only.verdict) == ([], Verdict.UNANCHORED)


async def test_a_rewritten_suffix_under_a_foreign_key_is_caught_by_the_signature(rig: Rig) -> None:
    await filled(rig)
    hashes = await rewritten(rig, 13)

    await with_checkpoints_signed_by(rig, NoteSigner(rig.signer.name, bytes(range(32))), hashes, 1, 10, 20)

    assert {kind for kind, _, _ in kinds(await rig.verify(outside=False))} == {"checkpoint_signature"}


async def test_a_rewritten_suffix_under_the_stolen_key_is_caught_by_the_checkpoint_outside(rig: Rig) -> None:
    await filled(rig)
    hashes = await rewritten(rig, 13)

    await with_checkpoints_signed_by(rig, rig.signer, hashes, 1, 10, 20)

    assert kinds(await rig.verify()) == [("checkpoint_mismatch", 10, 19)]


async def test_a_new_genesis_is_caught_by_every_checkpoint(rig: Rig) -> None:
    await filled(rig)

    await rewritten(rig, 0)

    report = await rig.verify()
    assert kinds(report) == [("checkpoint_mismatch", 0, 0)]
    assert report.holds_to == 0


async def test_a_tail_cut_together_with_head_and_checkpoint_is_caught_by_the_checkpoint_outside(rig: Rig) -> None:
    await filled(rig)
    await rig.attack(
        "DROP TRIGGER only_grows ON audit_ledger.heads",
        f"DELETE FROM {ENTRIES} WHERE seq >= 15", "DELETE FROM audit_ledger.checkpoints WHERE size > 15",
        f"UPDATE audit_ledger.heads SET size = 15, entry_hash = (SELECT entry_hash FROM {ENTRIES} WHERE seq = 14)")

    outside, inside_only = await rig.verify(), await rig.verify(outside=False)

    assert kinds(outside) == [("truncated", 15, 19), ("checkpoint_missing", 20, 20)]
    assert inside_only.verdict is Verdict.UNANCHORED


async def test_a_whole_stream_deleted_is_truncation_not_an_empty_ledger(rig: Rig) -> None:
    await filled(rig)
    await rig.attack(f"DELETE FROM {ENTRIES}", "DELETE FROM audit_ledger.heads", "DELETE FROM audit_ledger.checkpoints")

    report = await rig.verify()

    assert ("truncated", 0, 19) in kinds(report)


@pytest.mark.parametrize(("one", "other"), [(7, 8), (3, 16), (0, 19)])
async def test_two_swapped_entries_are_both_named(rig: Rig, one: int, other: int) -> None:
    await filled(rig)

    await rig.attack(*(f"UPDATE {ENTRIES} SET seq = {new} WHERE seq = {old}"
                       for old, new in ((one, 1_000), (other, one), (1_000, other))))

    found = kinds(await rig.verify())
    moved = {seq for kind, first, last in found if kind == "reordered" for seq in range(first, last + 1)}
    assert moved == {one, other}
    assert {kind for kind, _, _ in found} <= {"reordered", "checkpoint_mismatch", "head_mismatch"}


async def test_a_deletion_hidden_by_renumbering_is_one_range(rig: Rig) -> None:
    await filled(rig)

    await rig.attack(f"DELETE FROM {ENTRIES} WHERE seq = 7",
                     f"UPDATE {ENTRIES} SET seq = seq + 1000 WHERE seq > 7",
                     f"UPDATE {ENTRIES} SET seq = seq - 1001 WHERE seq > 1000")

    found = kinds(await rig.verify())
    assert ("reordered", 7, 18) in found
    assert ("truncated", 19, 19) in found


async def test_a_position_taken_twice_is_a_duplicate(rig: Rig) -> None:
    await filled(rig)

    await rig.attack("ALTER TABLE audit_ledger.entries DROP CONSTRAINT entries_pkey",
                     f"INSERT INTO {ENTRIES} SELECT * FROM {ENTRIES} WHERE seq = 7")

    assert kinds(await rig.verify()) == [("duplicate", 7, 7)]


async def test_an_entry_replayed_at_the_end_is_extra_and_not_true_to_its_place(rig: Rig) -> None:
    await filled(rig)

    await rig.attack(
        f"INSERT INTO {ENTRIES} SELECT stream, 20, recorded_at_us, prev_hash, entry_hash, payload, action, "
        f"subject, request_id, dataset, outcome, event_time FROM {ENTRIES} WHERE seq = 7")

    assert kinds(await rig.verify()) == [("edited", 20, 20), ("extra", 20, 20)]


async def test_a_well_formed_entry_beyond_the_head_is_extra(rig: Rig) -> None:
    await filled(rig)
    last = (await rig.reader.entries(19, 1))[0].entry_hash
    forged = hasher(rig.signer.name)(last, 20, 5, FORGED)

    await rig.attack(f"INSERT INTO {ENTRIES} VALUES ($1, 20, 5, $2, $3, $4, 'nothing_happened')",
                     arguments=(rig.signer.name, last, forged, FORGED))

    assert kinds(await rig.verify()) == [("extra", 20, 20)]


@pytest.mark.parametrize("payload", [b'{"b":1,"a":2}', b'{"a":1,"a":1}', b'{"a": 1}', b'{"a":NaN}',
                                     '{"a":"e\u0301"}'.encode()])
async def test_a_rehashed_payload_in_other_than_canonical_form_is_named(rig: Rig, payload: bytes) -> None:
    await filled(rig)
    entry = (await rig.reader.entries(19, 1))[0]
    forged = hasher(rig.signer.name)(entry.prev_hash, 19, 0, payload)

    await rig.attack(
        f"UPDATE {ENTRIES} SET payload = $1, entry_hash = $2, recorded_at_us = 0, action = NULL, subject = NULL, "
        "request_id = NULL, dataset = NULL, outcome = NULL, event_time = NULL WHERE seq = 19",
        arguments=(payload, forged))

    assert ("not_canonical", 19, 19) in kinds(await rig.verify())


@pytest.mark.parametrize("statement", [
    "UPDATE audit_ledger.subtrees SET hash = sha256('x')", "DELETE FROM audit_ledger.subtrees"])
async def test_a_stored_tree_node_is_held_against_the_entries(rig: Rig, statement: str) -> None:
    await rig.filled(300)

    await rig.attack(statement)

    assert kinds(await rig.verify()) == [("tree_mismatch", 0, 255)]


async def test_values_no_honest_row_has_are_findings_not_crashes(rig: Rig) -> None:
    await filled(rig)

    await rig.attack(
        *(f"ALTER TABLE {ENTRIES} ALTER {column} DROP NOT NULL"
          for column in ("payload", "prev_hash", "entry_hash", "recorded_at_us")),
        f"ALTER TABLE {ENTRIES} DROP CONSTRAINT entries_recorded_at_us_check",
        f"UPDATE {ENTRIES} SET payload = NULL, prev_hash = NULL, entry_hash = NULL WHERE seq = 5",
        f"UPDATE {ENTRIES} SET recorded_at_us = NULL WHERE seq = 9",
        f"UPDATE {ENTRIES} SET recorded_at_us = -9 WHERE seq = 12")

    assert kinds(await rig.verify()) == [("edited", 5, 5), ("edited", 9, 9), ("edited", 12, 12)]


async def test_forged_lines_in_the_outside_history_are_named(rig: Rig) -> None:
    await filled(rig)
    foreign = Checkpoint(rig.signer.name, 20, bytes(32)).signed_by(NoteSigner(rig.signer.name, bytes(32)))

    rig.folder.keep(foreign)

    assert [kind for kind, _, _ in kinds(await rig.verify())] == ["checkpoint_signature"]


async def test_an_old_backup_of_the_whole_database_is_truncation(rig: Rig) -> None:
    await rig.filled(10)
    admin = await asyncpg.connect(rig.url)
    backup = {table: await admin.fetch(f"SELECT * FROM audit_ledger.{table}")
              for table in ("entries", "checkpoints", "heads")}
    await admin.close()
    await rig.filled(20)
    await rig.attack(*(f"DELETE FROM audit_ledger.{table}" for table in backup))
    for table, rows in backup.items():
        for row in rows:
            places = ", ".join(f"${place + 1}" for place in range(len(row)))
            await rig.attack(f"INSERT INTO audit_ledger.{table} VALUES ({places})", arguments=tuple(row))

    report = await rig.verify()

    assert ("truncated", 10, 19) in kinds(report)
    assert report.holds_to == 10
