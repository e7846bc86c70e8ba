"""What the auditor types, and the exit code a script sees."""

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from audit_ledger.domain.proofs import proves_inclusion
from control_plane.cli.ledger import app
from tests.audit_ledger.rig import Rig


async def run(rig: Rig, home: Path, *words: str) -> Result:
    """Run a command in a thread: it brings an event loop of its own."""
    return await asyncio.to_thread(
        CliRunner().invoke, app, [*words, "--home", str(home), "--database-url", rig.url])


async def test_a_good_ledger_exits_0(rig: Rig, tmp_path: Path) -> None:
    await rig.filled(10)

    result = await run(rig, tmp_path, "verify")

    assert (result.exit_code, "good: every entry is the one that was sealed" in result.stdout) == (0, True)


async def test_a_ledger_without_its_home_s_checkpoints_exits_3(rig: Rig, tmp_path: Path) -> None:
    await rig.filled(10)

    result = await run(rig, tmp_path / "elsewhere", "verify", "--json")

    assert (result.exit_code, json.loads(result.stdout)["mode"]) == (3, "unanchored")


async def test_a_damaged_entry_is_named_and_exits_4(rig: Rig, tmp_path: Path) -> None:
    await rig.filled(10)
    await rig.attack("UPDATE audit_ledger.entries SET payload = '{}' WHERE seq = 7")

    told = await run(rig, tmp_path, "verify")
    data = await run(rig, tmp_path, "verify", "--json")

    assert (told.exit_code, data.exit_code) == (4, 4)
    assert "TAMPERED" in told.stdout
    [finding] = json.loads(data.stdout)["findings"]
    assert (finding["kind"], finding["seq"], finding["action"]) == ("edited", 7, "access_decision")


@pytest.mark.parametrize("damage", ["DROP SCHEMA audit_ledger CASCADE", "SELECT 1"])
async def test_nothing_to_check_exits_5(rig: Rig, tmp_path: Path, damage: str) -> None:
    connection = await asyncpg.connect(rig.url)
    await connection.execute(damage)
    await connection.close()

    result = await run(rig, tmp_path, "verify", "--json")

    assert (result.exit_code, json.loads(result.stdout)["verdict"]) == (5, "cannot_check")


async def test_no_database_exits_5(rig: Rig, tmp_path: Path) -> None:
    rig.url = "postgresql://nobody@127.0.0.1:1/none"

    assert (await run(rig, tmp_path, "verify")).exit_code == 5


async def test_the_ledger_is_shown_and_an_entry_proven(rig: Rig, tmp_path: Path) -> None:
    await rig.filled(10)

    head: dict[str, Any] = json.loads((await run(rig, tmp_path, "head", "--json")).stdout)
    tail = (await run(rig, tmp_path, "tail", "-n", "3")).stdout.splitlines()
    note = (await run(rig, tmp_path, "checkpoint")).stdout
    proof = json.loads((await run(rig, tmp_path, "prove", "4")).stdout)

    assert (head["stream"], head["size"]) == (rig.signer.name, 10)
    assert [line.split()[0] for line in tail] == ["7", "8", "9"]
    assert note.startswith(f"{rig.signer.name}\n10\n")
    path = [bytes.fromhex(step) for step in proof["path"]]
    assert proves_inclusion(bytes.fromhex(proof["leaf_hash"]), 4, 10, path, bytes.fromhex(proof["root"]))
