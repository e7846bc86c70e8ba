"""What is found in one store is told, whatever another store does."""

import json
from pathlib import Path

import pytest

from audit_ledger.domain.audit.finding import Verdict
from control_plane.cli.ledger.telling import worst
from tests.audit_ledger.rig import Rig
from tests.audit_ledger.test_command_line import run

EDIT = "UPDATE audit_ledger.entries SET payload = payload || '\\x20' WHERE seq = 4"


async def test_a_copy_that_does_not_answer_hides_no_damage(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    await rig.filled(9)
    await rig.attack(EDIT)
    monkeypatch.setenv("MONGODB_HOST", "127.0.0.1")
    monkeypatch.setenv("MONGODB_PORT", "1")

    result = await run(rig, tmp_path, "verify", "--stores", "postgres,mongo", "--json")

    told = json.loads(result.stdout)
    assert (result.exit_code, told["verdict"], told["exit_code"]) == (4, "tampered", 4)
    assert [found["kind"] for found in told["findings"]] == ["edited"]
    assert (told["copies"][0]["verdict"], "cannot be reached" in told["copies"][0]["reason"]) == ("cannot_check", True)


async def test_checkpoints_that_are_gone_hide_no_damage(rig: Rig, tmp_path: Path) -> None:
    await rig.filled(9)
    await rig.attack(EDIT, "DELETE FROM audit_ledger.checkpoints")

    result = await run(rig, tmp_path, "verify", "--stores", "tiles,postgres")

    assert result.exit_code == 4
    assert "copy tiles: cannot check" in result.stdout


def test_damage_outweighs_silence_and_silence_outweighs_doubt() -> None:
    assert worst([Verdict.CANNOT_CHECK, Verdict.TAMPERED, Verdict.GOOD]) is Verdict.TAMPERED
    assert worst([Verdict.UNPROVEN, Verdict.CANNOT_CHECK]) is Verdict.CANNOT_CHECK
    assert worst([Verdict.GOOD, Verdict.UNPROVEN]) is Verdict.UNPROVEN
