"""kill -9 while somebody is erased: what was begun is completed at the next start, and no field is half erased."""

import asyncio
import sys
from pathlib import Path

import pytest

from audit_ledger.adapters.subject_key_file import SubjectKeyFile
from audit_ledger.domain.audit.finding import Verdict
from audit_ledger.domain.privacy.personal import ERASED
from tests.audit_ledger.rig import Rig
from tests.audit_ledger.sealing_rig import SealingRig

LOOP = Path(__file__).with_name("erase_loop.py")


async def run(rig: Rig, home: Path, fate: str) -> tuple[int | None, list[str]]:
    """Run a process to its end; return its status, and how its forks ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(LOOP), rig.url, str(home), fate, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(120):
        told, _ = await process.communicate()
    return process.returncode, [line for line in told.decode().splitlines() if line.startswith("ended")]


def desk_of(rig: Rig, home: Path) -> SealingRig:
    return SealingRig(rig, SubjectKeyFile(home / "keys").key())


async def test_a_crash_between_entry_and_destruction_is_completed_at_the_next_start(rig: Rig, tmp_path: Path) -> None:
    assert (await run(rig, tmp_path, "between"))[0] == -9
    desk = desk_of(rig, tmp_path)
    [(kind, first, last, told)] = await desk.told()

    await desk.ledger.start()
    left = await desk.erasure.finish()

    assert (kind, first == last, "start gridwarden, which destroys it" in told, left) == ("not_erased", True, True, 1)
    assert await desk.check() == []
    found = [each.event["user"]["name"] for each in await desk.ledger.find(subject="ada", limit=10_000)]
    assert set(found) == {ERASED} or set(found[found.index(ERASED):]) == {ERASED}
    await desk.ledger.stop()


async def test_nobody_reads_what_a_crashed_erasure_has_sealed(rig: Rig, tmp_path: Path) -> None:
    await run(rig, tmp_path, "between")
    desk = desk_of(rig, tmp_path)

    [erasure] = await desk.erasure.past(None, 10)
    found = await desk.ledger.find(subject="ada", before=erasure.seq, limit=10_000)

    assert found
    assert {each.event["user"]["name"] for each in found} == {ERASED}


@pytest.mark.slow
async def test_killed_again_and_again_every_field_is_either_erased_or_there(rig: Rig, tmp_path: Path) -> None:
    assert await run(rig, tmp_path, "8") == (0, ["ended -9"] * 8)

    desk = desk_of(rig, tmp_path)
    await desk.ledger.start()
    await desk.erasure.finish()

    assert await desk.check() == []
    erasures = [each.seq for each in await desk.erasure.past(None, 1_000)]
    assert len(erasures) >= 16
    found = await desk.ledger.find(subject="ada", limit=100_000)
    assert all(each.event["user"]["name"] == (ERASED if each.seq < erasures[0] else "ada the person") for each in found)
    assert len([key for key in await desk.keys.of("ada") if key.wrapped]) <= 1
    await desk.ledger.publish_checkpoint()
    await desk.ledger.stop()
    assert (await rig.verify()).verdict is Verdict.GOOD
