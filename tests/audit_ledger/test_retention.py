"""Retention: what goes is archived, verified and sealed first; what was not, does not go."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.domain.archive.bundle import NoBundleError
from audit_ledger.domain.archive.retention import PrunedEntryError
from audit_ledger.domain.c2sp.cosignature import Cosigner
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.domain.c2sp.policy_file import read_policy
from audit_ledger.domain.proofs import proves_consistency, proves_inclusion
from audit_ledger.service.archive.retention import PruneRefusedError
from audit_ledger.service.prover import Prover
from audit_ledger.store.pruner import Prunes
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_PRUNER
from tests.audit_ledger.bundle_edits import edit, joined, split
from tests.audit_ledger.bundles import Judge, exported, policy_of, rewritten
from tests.audit_ledger.retaining import forge, full, retaining, retention_of, state
from tests.audit_ledger.rig import Rig, opened


async def test_a_prune_deletes_below_the_tile_and_seals_what_it_did(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    archive = await exported(rig, tmp_path / "archive.zip")

    async with retaining(rig) as retention:
        mark = await retention.prune(archive, until=599)

    [entry] = await rig.reader.find({"action": "ledger_pruned"}, None, 10)
    assert await state(rig) == (512, [512], [512])
    assert b'"entries":512' in entry.payload
    assert mark.archive_sha256.hex().encode() in entry.payload
    assert Judge(rig, policy_of(rig, tmp_path))(archive) == (0, [])


async def test_after_a_prune_everything_that_remains_can_be_proven(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    archive = await exported(rig, tmp_path / "archive.zip")
    async with retaining(rig) as retention:
        await retention.prune(archive, until=512)
    prover, head = Prover(rig.reader), await rig.reader.head()
    assert head is not None

    for seq in (512, 513, 599, head.size - 1):
        proof = await prover.inclusion(seq, head.size)
        assert proves_inclusion(proof.leaf, seq, head.size, proof.path, proof.root)
    old, new = (await prover.frontier_at(600)).root, (await prover.frontier_at(head.size)).root
    assert proves_consistency(600, head.size, await prover.consistency(600, head.size), old, new)
    rest = await exported(rig, tmp_path / "rest.zip")
    assert Judge(rig, policy_of(rig, tmp_path))(rest) == (0, [])


async def test_the_second_archive_begins_where_the_first_ended(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    async with retaining(rig) as retention:
        await retention.prune(await exported(rig, tmp_path / "one.zip", until=300), until=256)
    await full(rig, 900)
    async with retaining(rig) as retention:
        await retention.prune(await exported(rig, tmp_path / "two.zip"), until=800)

    assert await state(rig) == (768, [256, 768], [768])  # what sealed the first prune lies in the second archive


async def test_an_entry_that_is_gone_names_its_archive(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    archive = await exported(rig, tmp_path / "archive.zip")
    async with retaining(rig) as retention:
        mark = await retention.prune(archive, until=512)

    with pytest.raises(PrunedEntryError, match=mark.archive_sha256.hex()):
        await Prunes(rig.reader_pool, rig.signer.name).refuse_pruned(511)
    with pytest.raises(PrunedEntryError):
        await exported(rig, tmp_path / "gone.zip", singles=(3,))
    await Prunes(rig.reader_pool, rig.signer.name).refuse_pruned(512)


async def test_without_an_archive_nothing_goes(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    (tmp_path / "text.zip").write_text("no bundle")

    async with retaining(rig) as retention:
        for name in ("missing.zip", "text.zip"):
            with pytest.raises(NoBundleError):
                await retention.prune(tmp_path / name, until=512)

    assert await state(rig) == (0, [], [])


@pytest.mark.parametrize(("request_", "until", "why"), [
    ({"until": 400}, 512, "the archive holds the entries 0 to 399"),
    ({"since": 10}, 512, "the archive holds the entries 10 to 599"),
    ({}, 255, "nothing left to prune"),
    ({"singles": (1,)}, 512, "the archive holds the entries 0 to -1"),
])
async def test_an_archive_must_cover_what_goes(
    rig: Rig, tmp_path: Path, request_: dict[str, Any], until: int, why: str,
) -> None:
    await full(rig)
    archive = await exported(rig, tmp_path / "archive.zip", **request_)

    async with retaining(rig) as retention:
        with pytest.raises(PruneRefusedError, match=why):
            await retention.prune(archive, until=until)

    assert await state(rig) == (0, [], [])


async def test_an_archive_edited_after_the_export_is_refused(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    name = f"entries/{0:019}.bin"

    def attack(members: dict[str, bytes]) -> None:
        leaves = split(members[name])
        edit(7)(leaves)
        members[name] = joined(leaves)

    archive = rewritten(await exported(rig, tmp_path / "archive.zip"), "edited.zip", attack)

    async with retaining(rig) as retention:
        with pytest.raises(PruneRefusedError, match="the archive is not good"):
            await retention.prune(archive, until=512)

    assert await state(rig) == (0, [], [])


async def test_the_archive_of_another_ledger_is_refused(rig: Rig, tmp_path: Path, make_database: Any) -> None:
    await full(rig)
    async with opened(make_database, tmp_path / "other", rig.clock) as other:
        await full(other)
        archive = await exported(other, tmp_path / "archive.zip")

    async with retaining(rig) as retention:
        with pytest.raises(PruneRefusedError, match="no trusted key signed"):
            await retention.prune(archive, until=512)

    assert await state(rig) == (0, [], [])


async def test_the_archive_of_a_ledger_that_was_rewritten_since_is_refused(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    archive = await exported(rig, tmp_path / "archive.zip")
    await rig.attack("UPDATE audit_ledger.entries SET payload = '{}' WHERE seq = 300")

    async with retaining(rig) as retention:
        with pytest.raises(PruneRefusedError, match="entry 300 in the database is not the archive's"):
            await retention.prune(archive, until=512)

    assert await state(rig) == (0, [], [])


async def test_wrong_tree_nodes_stop_a_prune(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    archive = await exported(rig, tmp_path / "archive.zip")
    async with retaining(rig) as retention:
        await rig.attack("UPDATE audit_ledger.subtrees SET hash = sha256('') WHERE level = 8 AND index = 0")

        with pytest.raises(PruneRefusedError, match="tree nodes"):
            await retention.prune(archive, until=512)

    assert await state(rig) == (0, [], [])


async def test_what_no_checkpoint_outside_covers_stays(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    archive = await exported(rig, tmp_path / "archive.zip")
    empty = LedgerFolder(keys=tmp_path / "keys", checkpoints=tmp_path / "none")

    async with retaining(rig, folder=empty) as retention:
        with pytest.raises(PruneRefusedError, match="covers 0 entries"):
            await retention.prune(archive, until=512)


async def test_entries_that_are_to_be_kept_stay(rig: Rig, tmp_path: Path) -> None:
    await full(rig, 300)
    rig.clock.advance(40 * 86_400)
    await full(rig)
    archive = await exported(rig, tmp_path / "archive.zip")

    async with retaining(rig) as retention:
        with pytest.raises(PruneRefusedError, match="younger than 30 days"):
            await retention.prune(archive, until=512, keep_days=30)
        assert await retention.proposed(30) == 256
        assert await retention.proposed(0) == 512
        assert await retention.proposed(50) == 0
        await retention.prune(archive, until=256, keep_days=30)

    assert await state(rig) == (256, [256], [256])


async def test_a_policy_that_asks_for_witnesses_asks_the_archive_too(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    witness = Cosigner(NoteSigner("witness.example", bytes(range(32))))
    policy = policy_of(rig, tmp_path, f"witness w {witness.verifier}", quorum="w")
    archive = await exported(rig, tmp_path / "archive.zip")

    async with retaining(rig, policy=read_policy(policy.read_bytes())) as retention:
        with pytest.raises(PruneRefusedError, match="quorum of witnesses is missing"):
            await retention.prune(archive, until=512)


async def test_killed_in_mid_deletion_it_is_finished_later_and_sealed_once(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    archive = await exported(rig, tmp_path / "archive.zip")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("prune_once.py")), rig.url, str(tmp_path), str(archive),
        stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    while not (line := await process.stdout.readline()).startswith(b"100 512"):
        assert line
    process.kill()
    await process.wait()
    await hung_up(rig)
    between = await state(rig)

    async with retaining(rig) as retention:
        left = await retention.finish()
        again = await retention.finish()

    assert between[1:] == ([512], [512])
    assert 100 <= between[0] < 512
    assert (left, again) == (512 - between[0], 0)
    assert await state(rig) == (512, [512], [512])


async def hung_up(rig: Rig) -> None:
    """Wait until the server has noticed that the pruner is dead: its last statement is done, its lock is free."""
    held = ("SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'gridwarden_ledger_pruner') + (SELECT count(*) FROM pg_locks JOIN pg_database "
            "ON pg_database.oid = database WHERE locktype = 'advisory' AND datname = current_database())")
    async with asyncio.timeout(20):
        while await rig.reader_pool.fetchval(held):  # noqa: ASYNC110 - the server sends no event
            await asyncio.sleep(0.05)


async def test_killed_between_seal_and_mark_the_same_prune_goes_on_and_seals_once(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    archive = await exported(rig, tmp_path / "archive.zip")
    ledger = rig.ledger()
    await ledger.start()
    pool = await open_pool(rig.url, LEDGER_PRUNER, size=1)
    pool.terminate()
    with pytest.raises(Exception, match=r"cannot seal now|pool"):
        await retention_of(rig, ledger, pool).prune(archive, until=512)
    await ledger.stop()
    between = await state(rig)

    async with retaining(rig) as retention:
        assert await retention.finish() == 0
        await retention.prune(archive, until=512)

    assert between == (0, [], [512])
    assert await state(rig) == (512, [512], [512])


async def test_a_mark_that_a_superuser_forged_is_not_acted_on(rig: Rig) -> None:
    await full(rig)
    root = (await Prover(rig.reader).frontier_at(512)).root
    await forge(rig, root)

    async with retaining(rig) as retention:
        with pytest.raises(PruneRefusedError, match="no sealed entry says so"):
            await retention.finish()

    assert (await state(rig))[0] == 0


async def test_the_pruner_s_role_can_do_nothing_else(rig: Rig) -> None:
    await full(rig)
    pool = await open_pool(rig.url, LEDGER_PRUNER, size=1)
    refused = {
        "DELETE FROM audit_ledger.entries WHERE seq = 3": "not archived",
        "UPDATE audit_ledger.entries SET payload = '{}'": "permission denied",
        "INSERT INTO audit_ledger.entries SELECT * FROM audit_ledger.entries": "permission denied",
        "TRUNCATE audit_ledger.entries": "permission denied",
        "DELETE FROM audit_ledger.subtrees": "permission denied",
        "DELETE FROM audit_ledger.checkpoints": "permission denied",
        "UPDATE audit_ledger.prunes SET size = 0": "permission denied",
        "DELETE FROM audit_ledger.prunes": "permission denied",
    }

    for statement, why in refused.items():
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=why):
            await pool.execute(statement)
    pool.terminate()
