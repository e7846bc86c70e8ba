"""What the auditor types, and the exit code a script sees."""

import asyncio
import json
import sys
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


async def said_goodbye(rig: Rig) -> None:
    """Ten entries, and the ledger was stopped in order: the rig's clock stands days ago."""
    await rig.filled(9)
    ledger = rig.ledger()
    await ledger.start()
    await ledger.leave()


async def test_a_good_ledger_exits_0(rig: Rig, tmp_path: Path) -> None:
    await said_goodbye(rig)

    result = await run(rig, tmp_path, "verify")

    assert (result.exit_code, "good: every entry is the one that was sealed" in result.stdout) == (0, True)


async def test_a_good_ledger_that_has_been_silent_for_days_exits_3(rig: Rig, tmp_path: Path) -> None:
    await rig.filled(10)

    result = await run(rig, tmp_path, "verify", "--json")

    report = json.loads(result.stdout)
    assert (result.exit_code, report["findings"]) == (3, [])
    assert "was not stopped in order" in report["stale_because"]


async def test_receipts_and_proofs_are_held_against_the_ledger(rig: Rig, tmp_path: Path) -> None:
    await said_goodbye(rig)
    kept = tmp_path / "receipts.jsonl"
    kept.write_text("".join(json.dumps({"seq": seq, "entry_hash": hash_.hex()}) + "\n"
                            for seq, hash_ in rig.receipts.items()))
    proof = await run(rig, tmp_path, "prove", "3")
    (tmp_path / "3.tlog-proof").write_text(proof.stdout)
    good = await run(rig, tmp_path, "verify", "--receipts", str(kept), "--proof", str(tmp_path / "3.tlog-proof"))
    await rig.attack("DELETE FROM audit_ledger.entries WHERE seq >= 4", "DELETE FROM audit_ledger.checkpoints")

    bad = await run(rig, tmp_path / "elsewhere", "verify", "--json", "--receipts", str(kept))

    assert (good.exit_code, bad.exit_code) == (0, 4)
    assert "receipt_mismatch" in {found["kind"] for found in json.loads(bad.stdout)["findings"]}


async def test_a_kept_proof_of_another_entry_is_found_though_its_checkpoint_is_good(rig: Rig, tmp_path: Path) -> None:
    await said_goodbye(rig)
    proof = (await run(rig, tmp_path, "prove", "3")).stdout
    (tmp_path / "4.tlog-proof").write_text(proof.replace("index 3\n", "index 4\n"))

    result = await run(rig, tmp_path, "verify", "--json", "--proof", str(tmp_path / "4.tlog-proof"))

    assert result.exit_code == 4
    assert [(found["kind"], found["seq"]) for found in json.loads(result.stdout)["findings"]] == [
        ("receipt_mismatch", 4)]


@pytest.mark.parametrize("text", ['{"seq": "3"}', "nonsense", '{"seq": 3, "entry_hash": "zz"}', '{"seq": -1}'])
async def test_receipts_that_are_none_cannot_be_checked(rig: Rig, tmp_path: Path, text: str) -> None:
    await said_goodbye(rig)
    (tmp_path / "receipts").write_text(text)

    result = await run(rig, tmp_path, "verify", "--json", "--receipts", str(tmp_path / "receipts"))

    assert (result.exit_code, "receipt" in json.loads(result.stdout)["detail"]) == (5, True)


async def test_a_policy_gives_the_key_where_there_is_no_home(rig: Rig, tmp_path: Path) -> None:
    await said_goodbye(rig)
    policy = tmp_path / "policy"
    policy.write_text(f"log {rig.signer.verifier}\nquorum none\n")

    result = await run(rig, tmp_path / "elsewhere", "verify", "--json", "--policy", str(policy))

    assert (result.exit_code, json.loads(result.stdout)["mode"]) == (3, "unanchored")


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
    proof = json.loads((await run(rig, tmp_path, "prove", "4", "--json")).stdout)

    assert (head["stream"], head["size"]) == (rig.signer.name, 10)
    assert [line.split()[0] for line in tail] == ["7", "8", "9"]
    assert note.startswith(f"{rig.signer.name}\n10\n")
    path = [bytes.fromhex(step) for step in proof["path"]]
    assert proves_inclusion(bytes.fromhex(proof["leaf_hash"]), 4, 10, path, bytes.fromhex(proof["root"]))


async def test_following_shows_what_is_sealed_next(rig: Rig, tmp_path: Path) -> None:
    await rig.filled(5)
    command = [sys.executable, "-c", "from control_plane.cli import main; main()", "ledger", "tail", "-n", "2", "-f",
               "--json", "--home", str(tmp_path), "--database-url", rig.url]
    following = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert following.stdout is not None
    shown = [json.loads(await following.stdout.readline())["seq"] for _ in range(2)]

    await rig.filled(8)

    async with asyncio.timeout(60):
        shown += [json.loads(await following.stdout.readline())["seq"] for _ in range(3)]
    following.kill()
    await following.wait()
    assert shown == [3, 4, 5, 6, 7]
