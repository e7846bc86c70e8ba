"""An auditor who watches remembers what he saw, whoever has the key and every file."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
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


@asynccontextmanager
async def watching(rig: Rig, home: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command as a process of its own, whose looks can be waited for."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "control_plane", "ledger", "watch", "--json", "--every", "0.1", "--home", str(home),
        "--database-url", rig.url, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).resolve().parents[2])
    try:
        async with asyncio.timeout(60):
            yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def look(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """Wait for the next look."""
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(await process.stdout.readline())
    return found


async def test_each_look_says_how_the_ledger_has_grown(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    async with watching(rig, tmp_path) as process:
        seen = [await look(process)]
        await rig.filled(30)
        while sum(each["grown"] for each in seen) < 30:
            seen.append(await look(process))

    assert [each["findings"] for each in seen] == [[]] * len(seen)
    assert sum(each["grown"] for each in seen) == 30
    assert seen[-1]["since"] > 0


async def test_it_ends_after_so_many_looks(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)

    result = await watched(rig, tmp_path, "--every", "0.1", "--rounds", "3")

    assert [each["grown"] for each in looks(result)] == [20, 0, 0]
    assert result.exit_code in {0, 3}


async def test_what_was_seen_cannot_be_rewritten_by_somebody_with_the_key_and_every_file(
    rig: Rig, tmp_path: Path,
) -> None:
    await filled(rig)
    async with watching(rig, tmp_path) as process:
        for _ in range(2):
            last = await look(process)
        await resigned(rig, rig.signer, await rewritten(rig, 13))
        shutil.rmtree(tmp_path / "ledger")

        while not last["findings"]:
            last = await look(process)
        code = await process.wait()

    assert code == 4
    assert {found["kind"] for found in last["findings"]} == {"checkpoint_mismatch"}


async def test_watching_nothing_is_exit_5(rig: Rig, tmp_path: Path) -> None:
    result = await watched(rig, tmp_path)

    assert (result.exit_code, looks(result)[0]["verdict"]) == (5, "cannot_check")
