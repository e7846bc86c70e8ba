"""Attacks in many variants; those of one kind each stand in attacks.py. The attacker is the database's superuser."""
# ruff: noqa: S608 - planted attacks are SQL text, by design

import asyncpg
import pytest

from audit_ledger.domain.audit.finding import Mode, Verdict
from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.domain.entry import hasher
from audit_ledger.domain.errors import UncheckableError
from tests.audit_ledger.attacks import ENTRIES
from tests.audit_ledger.rig import Rig, filled, kinds


async def test_an_honest_ledger_is_good_and_anchored(rig: Rig) -> None:
    await filled(rig)

    report = await rig.verify()

    assert (report.verdict, report.mode, report.anchored_size, report.holds_to) == (Verdict.GOOD, Mode.ANCHORED, 20, 20)


async def test_a_damaged_entry_is_named_with_its_action_and_time(rig: Rig) -> None:
    await filled(rig)
    await rig.attack(f"UPDATE {ENTRIES} SET payload = '{{}}' WHERE seq = 7")

    report = await rig.verify()

    [finding] = report.findings
    assert (finding.action, finding.event_time) == ("access_decision", "2026-11-18T11:06:40.000000Z")
    assert (report.holds_to, report.checkpoints_good) == (1, 6)


@pytest.mark.parametrize(("one", "other"), [(7, 8), (3, 16), (0, 19)])
async def test_two_swapped_entries_are_both_named(rig: Rig, one: int, other: int) -> None:
    await filled(rig)

    await rig.attack(*(f"UPDATE {ENTRIES} SET seq = {new} WHERE seq = {old}"
                       for old, new in ((one, 1_000), (other, one), (1_000, other))))

    found = kinds(await rig.verify())
    moved = {seq for kind, first, last in found if kind == "reordered" for seq in range(first, last + 1)}
    assert moved == {one, other}
    assert {kind for kind, _, _ in found} <= {"reordered", "checkpoint_mismatch", "head_mismatch"}


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
    foreign = Checkpoint(rig.signer.name, 21, bytes(32)).signed_by(NoteSigner(rig.signer.name, bytes(32)))

    rig.folder.keep(foreign)

    assert [kind for kind, _, _ in kinds(await rig.verify())] == ["checkpoint_signature"]




@pytest.mark.parametrize("disguise", [
    ("ALTER TABLE audit_ledger.entries RENAME TO real_entries",
     "CREATE VIEW audit_ledger.entries AS SELECT * FROM audit_ledger.real_entries"),
    ("ALTER TABLE audit_ledger.entries RENAME TO real_entries",
     "CREATE MATERIALIZED VIEW audit_ledger.entries AS SELECT * FROM audit_ledger.real_entries"),
    ("ALTER TABLE audit_ledger.entries ENABLE ROW LEVEL SECURITY",
     "CREATE POLICY all_well ON audit_ledger.entries USING (true)"),
    ("CREATE TABLE audit_ledger.more () INHERITS (audit_ledger.entries)",),
    ("ALTER TABLE audit_ledger.checkpoints RENAME TO real_checkpoints",
     "CREATE VIEW audit_ledger.checkpoints AS SELECT * FROM audit_ledger.real_checkpoints"),
])
async def test_a_table_in_disguise_cannot_be_checked(rig: Rig, disguise: tuple[str, ...]) -> None:
    await filled(rig)
    admin = await asyncpg.connect(rig.url)
    for statement in disguise:
        await admin.execute(statement)
    await admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA audit_ledger TO gridwarden_ledger_reader")
    await admin.close()

    with pytest.raises(UncheckableError, match="ordinary table"):
        await rig.verify()


async def test_the_second_of_two_writers_of_one_position_is_refused_by_the_key(rig: Rig) -> None:
    await filled(rig)
    admin = await asyncpg.connect(rig.url)

    with pytest.raises(asyncpg.UniqueViolationError):
        await admin.execute(f"INSERT INTO {ENTRIES} SELECT * FROM {ENTRIES} WHERE seq = 19")
    await admin.close()
