"""What a verification finds about entries that are gone: an honest prune is none, anything else is named."""

from pathlib import Path
from typing import Any

import asyncpg
import pytest

from audit_ledger.domain.archive.retention import PrunedEntryError, PruneMark, mark_findings, prunable, refuse_pruned
from audit_ledger.domain.audit.finding import Kind
from audit_ledger.service.audit.prune_check import prune_check
from audit_ledger.service.prover import Prover
from audit_ledger.store.pruner import Prunes
from tests.audit_ledger.bundles import exported
from tests.audit_ledger.retaining import forge, full, retaining
from tests.audit_ledger.rig import Rig


async def check(rig: Rig) -> tuple[int, list[tuple[int, int, str]]]:
    """Return where a verification begins, and what it finds about prunes."""
    found = await prune_check(rig.reader, Prunes(rig.reader_pool, rig.signer.name))
    assert all(each.kind is Kind.PRUNED for each in found.findings)
    return found.start, [(each.seq, each.last_seq, each.detail) for each in found.findings]


async def delete(rig: Rig, where: str) -> None:
    """Delete entries as a superuser, with the guards off."""
    connection = await asyncpg.connect(rig.url)
    await connection.execute("ALTER TABLE audit_ledger.entries DISABLE TRIGGER ALL")
    await connection.execute(f"DELETE FROM audit_ledger.entries WHERE {where}")  # noqa: S608 - a planted attack
    await connection.close()


async def test_an_honest_prune_is_no_finding_and_the_walk_begins_at_its_mark(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    before = await check(rig)
    async with retaining(rig) as retention:
        await retention.prune(await exported(rig, tmp_path / "archive.zip"), until=512)

    assert (before, await check(rig)) == ((0, []), (512, []))


async def test_a_prune_without_an_export_is_found(rig: Rig) -> None:
    await full(rig)
    await delete(rig, "seq < 512")

    assert await check(rig) == (0, [(0, 511, "entries below 512 are gone and no sealed prune says why")])


async def test_a_prune_under_a_forged_mark_is_found(rig: Rig) -> None:
    await full(rig)
    await forge(rig, (await Prover(rig.reader).frontier_at(512)).root)
    await delete(rig, "seq < 512")

    assert await check(rig) == (0, [(0, 511, "entries below 512 are marked as pruned, and no sealed entry says so")])


async def test_entries_deleted_beyond_an_honest_mark_are_found(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    async with retaining(rig) as retention:
        await retention.prune(await exported(rig, tmp_path / "archive.zip"), until=512)
    await delete(rig, "seq < 540")

    assert await check(rig) == (0, [(512, 539, "entries beyond the pruned ones are gone too")])


async def test_nodes_changed_under_a_mark_are_found(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    async with retaining(rig) as retention:
        await retention.prune(await exported(rig, tmp_path / "archive.zip"), until=512)
    await rig.attack("UPDATE audit_ledger.subtrees SET hash = sha256('') WHERE level = 8 AND index = 1")
    edited = await check(rig)
    await rig.attack("DELETE FROM audit_ledger.subtrees WHERE level = 8 AND index = 1")

    assert edited == await check(rig) == (
        0, [(0, 511, "entries below 512 were pruned under another root than the stored nodes have")])


MARK = PruneMark(512, bytes(32), bytes(range(32)))
SEALED = {"event": {"action": "ledger_pruned"}, "grid": {"retention": MARK.to_event(512)}}


@pytest.mark.parametrize(("mark", "first", "sealed", "root", "says"), [
    (None, 0, [], None, None),
    (MARK, 512, [SEALED], bytes(32), None),
    (MARK, 100, [SEALED], bytes(32), None),
    (None, 7, [], None, "entries below 7 are gone and no sealed prune says why"),
    (MARK, 512, [], bytes(32), "no sealed entry says so"),
    (MARK, 512, [SEALED], bytes(31) + b"\1", "another root"),
    (MARK, 512, [SEALED], None, "another root"),
    (MARK, 600, [SEALED], bytes(32), "entries beyond the pruned ones are gone too"),
    (MARK, 512, [{"event": {"action": "user_login"}, "grid": SEALED["grid"]}], bytes(32), "no sealed entry"),
    (MARK, 512, [{}, [], None, {"event": {"action": "ledger_pruned"}, "grid": 1}], bytes(32), "no sealed entry"),
    (MARK, 512, [{"event": SEALED["event"], "grid": {"retention": MARK.to_event(1) | {"size": 256}}}], bytes(32),
     "no sealed entry"),
])
def test_a_mark_is_honest_or_it_is_found(
    mark: PruneMark | None, first: int, sealed: list[Any], root: bytes | None, says: str | None,
) -> None:
    found = mark_findings(mark, first_seq=first, sealed=sealed, stored_root=root)

    assert [each.kind for each in found] == ([Kind.PRUNED] if says else [])
    assert not says or says in found[0].detail


def test_the_archive_named_is_the_one_that_has_the_entry() -> None:
    marks = [PruneMark(512, b"", b"\2"), PruneMark(256, b"", b"\1")]

    with pytest.raises(PrunedEntryError, match="01"):
        refuse_pruned(255, marks)
    with pytest.raises(PrunedEntryError, match="02"):
        refuse_pruned(256, marks)
    refuse_pruned(512, marks)
    assert [prunable(size) for size in (0, 255, 256, 600)] == [0, 0, 256, 512]
