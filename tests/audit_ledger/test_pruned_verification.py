"""A pruned ledger verifies from its mark on; what else is gone, or goes by a forged mark, does not."""
# ruff: noqa: S608 - planted attacks are SQL text, by design

from pathlib import Path

import asyncpg
import pytest

from audit_ledger.domain.audit.finding import Report, Verdict
from audit_ledger.store.pruner import Prunes
from tests.audit_ledger.attacks import ENTRIES
from tests.audit_ledger.bundles import exported
from tests.audit_ledger.retaining import forge, full, retaining
from tests.audit_ledger.rig import Rig, kinds

MARK = 512


async def pruned(rig: Rig, tmp_path: Path) -> None:
    """Six hundred entries and some, of which the first 512 are in an archive only."""
    await full(rig)
    archive = await exported(rig, tmp_path / "archive.zip")
    async with retaining(rig) as retention:
        await retention.prune(archive, until=MARK)


async def verified(rig: Rig, *, outside: bool = True) -> Report:
    return await rig.verify(outside=outside, prunes=Prunes(rig.reader_pool, rig.signer.name))


async def test_a_pruned_ledger_is_good_from_its_mark_on(rig: Rig, tmp_path: Path) -> None:
    await pruned(rig, tmp_path)

    report = await verified(rig)

    assert (report.verdict, kinds(report), report.since) == (Verdict.GOOD, [], MARK)
    assert report.anchored_size == report.size == report.holds_to


@pytest.mark.parametrize("seq", [MARK, MARK + 1, 599])
async def test_an_edit_behind_the_mark_is_found(rig: Rig, tmp_path: Path, seq: int) -> None:
    await pruned(rig, tmp_path)
    await rig.attack(f"UPDATE {ENTRIES} SET payload = '{{}}' WHERE seq = {seq}")

    assert kinds(await verified(rig)) == [("edited", seq, seq)]


async def test_the_first_entry_behind_the_mark_cannot_go_unseen(rig: Rig, tmp_path: Path) -> None:
    await pruned(rig, tmp_path)
    await rig.attack(f"DELETE FROM {ENTRIES} WHERE seq = {MARK}")

    report = await verified(rig)

    assert report.verdict is Verdict.TAMPERED


async def test_a_forged_mark_excuses_nothing(rig: Rig) -> None:
    await full(rig)
    await forge(rig, b"\x01" * 32)
    await rig.attack(f"DELETE FROM {ENTRIES} WHERE seq < {MARK}")

    assert {"pruned", "missing"} <= {kind for kind, _, _ in kinds(await verified(rig))}


async def test_tree_nodes_changed_below_the_mark_meet_every_later_checkpoint(rig: Rig, tmp_path: Path) -> None:
    await pruned(rig, tmp_path)
    admin = await asyncpg.connect(rig.url)
    for statement in ("ALTER TABLE audit_ledger.subtrees DISABLE TRIGGER ALL",
                      "UPDATE audit_ledger.subtrees SET hash = sha256('x') WHERE index = 0"):
        await admin.execute(statement)
    await admin.close()

    assert (await verified(rig)).verdict is Verdict.TAMPERED
