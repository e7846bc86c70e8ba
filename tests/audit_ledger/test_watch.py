"""An auditor who watches remembers what he saw, whoever has the key and every file."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from control_plane.cli.ledger import app
from tests.audit_ledger.attacks import resigned, rewritten
from tests.audit_ledger.rig import Rig, filled


async def watched(rig: Rig, home: Path, *words: str) -> Any:
    return await asyncio.to_thread(
        CliRunner().invoke, app, ["watch", "--json", *words, "--home", str(home), "--database-url", rig.url])


def looks(result: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


async def test_each_look_says_how_the_ledger_has_grown(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    watching = asyncio.create_task(watched(rig, tmp_path, "--every", "0.5", "--rounds", "6"))
    await asyncio.sleep(1.0)
    await rig.filled(30)

    result = await watching

    assert [look["findings"] for look in looks(result)] == [[]] * 6
    assert sum(look["grown"] for look in looks(result)) == 30
    assert looks(result)[-1]["since"] > 0


async def test_what_was_seen_cannot_be_rewritten_by_somebody_with_the_key_and_every_file(
    rig: Rig, tmp_path: Path,
) -> None:
    await filled(rig)
    watching = asyncio.create_task(watched(rig, tmp_path, "--every", "1", "--rounds", "30"))
    await asyncio.sleep(1.5)
    await resigned(rig, rig.signer, await rewritten(rig, 13))
    shutil.rmtree(tmp_path / "ledger")

    result = await watching

    assert result.exit_code == 4
    assert {found["kind"] for found in looks(result)[-1]["findings"]} == {"checkpoint_mismatch"}


async def test_watching_nothing_is_exit_5(rig: Rig, tmp_path: Path) -> None:
    result = await watched(rig, tmp_path)

    assert (result.exit_code, looks(result)[0]["verdict"]) == (5, "cannot_check")
