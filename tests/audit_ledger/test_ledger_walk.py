"""docs/ledger.md does what it says: every command of the walk is executed as it stands on the page."""

import asyncio
from pathlib import Path

import pytest

from tests.audit_ledger.attacks import ATTACKS
from tests.audit_ledger.retaining import full
from tests.audit_ledger.rig import Rig, filled
from tests.page_commands import DOCS, Command, commands

WALK = "Ten minutes, from a file to a verified entry"


async def test_the_walk_from_a_file_to_a_verified_entry_ends_as_the_page_says(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    steps, folder = commands("ledger", WALK), tmp_path / "auditor"
    folder.mkdir()
    known = {"GRIDWARDEN_HOME": str(tmp_path), "DATABASE_URL": rig.url, "SEQ": "7"}

    ended = [(step, await asyncio.to_thread(step.run, folder, **known)) for step in steps]

    assert [code for _, (code, _) in ended] == [step.promise[0] for step in steps] == [0, 0, 0, 0, 0, 4, 0, 0]
    for step, (_, last) in ended:
        assert step.promise[1], step.text
        assert step.promise[1] in last, step.text


async def test_retention_goes_as_the_page_says(rig: Rig, tmp_path: Path) -> None:
    await full(rig)
    folder = tmp_path / "auditor"
    folder.mkdir()
    known = {"GRIDWARDEN_HOME": str(tmp_path), "DATABASE_URL": rig.url, "KEEP_DAYS": "0"}
    prepared = [await asyncio.to_thread(step.run, folder, **known) for step in commands("ledger", WALK)[1:3]]

    [step] = commands("ledger", "Retention")
    code, last = await asyncio.to_thread(step.run, folder, **known)

    assert [code for code, _ in prepared] == [0, 0]
    assert (code, step.promise[1] in last) == (step.promise[0], True), last


def test_the_page_counts_the_attacks_that_pass() -> None:
    alone, anchored = (sum(not found for found in found_by) for found_by in (
        [each.alone for each in ATTACKS], [each.anchored for each in ATTACKS]))

    page = (DOCS / "ledger.md").read_text()

    assert f"{alone} of the {len(ATTACKS)} attacks below pass" in page
    assert f"({anchored} of the {len(ATTACKS)} passes)" in page


@pytest.mark.parametrize(("text", "promise"), [
    ("false\n# exit 1: no\n", (1, "no")), ("true\n# exit 0\n", (0, "")), ("print(1)\n", (0, ""))])
def test_a_block_s_last_line_is_its_promise(text: str, promise: tuple[int, str]) -> None:
    assert Command("sh", text).promise == promise
