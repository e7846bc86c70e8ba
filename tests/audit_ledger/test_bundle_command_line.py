"""What an operator types to hand entries over and to let them go."""

import asyncio
import json
from pathlib import Path

from typer.testing import CliRunner, Result

from control_plane.cli.ledger import app
from shared_kernel.errors import ConflictError
from tests.audit_ledger.bundles import offline, policy_of
from tests.audit_ledger.retaining import full, state
from tests.audit_ledger.rig import Rig, filled


async def run(rig: Rig, home: Path, *words: str, answer: str = "") -> Result:
    """Run a command in a thread: it brings an event loop of its own."""
    return await asyncio.to_thread(
        CliRunner().invoke, app, [*words, "--home", str(home), "--database-url", rig.url], input=answer)


async def test_an_export_is_good_without_us(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)

    done = await run(rig, tmp_path, "export", "--to", str(tmp_path / "all.zip"))

    assert (done.exit_code, "20 entries from 0 on, under the signed checkpoint of 20" in done.stdout) == (0, True)
    assert offline(tmp_path / "all.zip", policy_of(rig, tmp_path))[0] == 0


async def test_a_range_and_single_entries_can_be_asked_for(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)

    done = await run(rig, tmp_path, "export", "--to", str(tmp_path / "some.zip"), "--from", "3", "--until", "9",
                     "--entry", "12", "--entry", "1", "--json")

    made = json.loads(done.stdout)
    assert (made["from"], made["until"], made["entries"], made["size"]) == (3, 9, [1, 12], 20)
    assert offline(tmp_path / "some.zip", policy_of(rig, tmp_path), "--entry", "12")[0] == 0


async def test_a_position_is_a_plain_number(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)

    for text in ("+5", "1_0", "\uff15", "soon"):
        assert (await run(rig, tmp_path, "export", "--to", str(tmp_path / "x.zip"), "--until", text)).exit_code == 1


async def test_a_prune_asks_first_and_then_says_what_to_keep(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    archive = str(tmp_path / "archive.zip")
    await run(rig, tmp_path, "export", "--to", archive)

    refused = await run(rig, tmp_path, "prune", "--archive", archive, "--until", "512", answer="n\n")
    early = await run(rig, tmp_path, "prune", "--archive", archive, "--until", "512", "--yes")
    before = await state(rig)
    await run(rig, tmp_path, "mirror", "repair")
    done = await run(rig, tmp_path, "prune", "--archive", archive, "--keep-days", "0", "--yes", "--json")

    assert (refused.exit_code, before[0]) == (1, 0)
    assert "the copy tiles holds 0 of the 512 entries that would go" in str(early.exception)
    assert (done.exit_code, json.loads(done.stdout.splitlines()[-1])["size"]) == (0, 512)
    assert (await state(rig))[:2] == (512, [512])


async def test_a_prune_beside_a_running_product_says_what_to_do(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    archive = str(tmp_path / "archive.zip")
    await run(rig, tmp_path, "export", "--to", archive)
    ledger = rig.ledger()
    await ledger.start()

    done = await run(rig, tmp_path, "prune", "--archive", archive, "--until", "512", "--yes")

    assert isinstance(done.exception, ConflictError)
    assert "stop it, or wait for its next stop" in str(done.exception)
    assert (await state(rig))[0] == 0
    await ledger.stop()


async def test_a_prune_wants_to_know_how_much(rig: Rig, tmp_path: Path) -> None:
    await full(rig, 10)

    assert (await run(rig, tmp_path, "prune", "--archive", "x.zip", "--yes")).exit_code == 1
