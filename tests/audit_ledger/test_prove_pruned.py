"""Proving an entry that is pruned says where it is, and raises no alarm."""

import asyncio
from pathlib import Path

from typer.testing import CliRunner, Result

from audit_ledger.domain.archive.retention import PrunedEntryError
from control_plane.cli.ledger import app
from tests.audit_ledger.retaining import full
from tests.audit_ledger.rig import Rig


async def run(rig: Rig, home: Path, *words: str) -> Result:
    """Run a command in a thread: it brings an event loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, [*words, "--home", str(home), "--database-url", rig.url])


async def test_a_pruned_entry_is_looked_for_in_its_archive(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    archive = str(tmp_path / "archive.zip")
    await run(rig, tmp_path, "export", "--to", archive)
    await run(rig, tmp_path, "mirror", "repair")
    pruned = await run(rig, tmp_path, "prune", "--archive", archive, "--until", "256", "--yes")

    gone, there = await run(rig, tmp_path, "prove", "39"), await run(rig, tmp_path, "prove", "300")

    assert (pruned.exit_code, there.exit_code) == (0, 0), pruned.output
    assert isinstance(gone.exception, PrunedEntryError)
    assert "entry 39 is pruned: look in the archive" in str(gone.exception)
