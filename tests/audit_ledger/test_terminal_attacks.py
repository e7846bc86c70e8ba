"""What an attacker wrote into a ledger neither steers the auditor's terminal nor stops the auditor's command."""

import asyncio
from pathlib import Path

import orjson
import pytest

from audit_ledger.domain.audit.finding import Finding, Kind, Verdict
from control_plane.cli.ledger.telling import verdict_of, visible
from tests.audit_ledger.rig import Rig
from tests.audit_ledger.test_command_line import run

HIDING = "\x1b[2J\x1b[Hgood\u202e\r\n"


@pytest.mark.parametrize("action", ["[/red]", "[bold]x[/bold]", HIDING, "[link=https://x]"])
def test_an_action_is_shown_as_it_was_written(capsys: pytest.CaptureFixture[str], action: str) -> None:
    verdict_of(Verdict.TAMPERED, [Finding(Kind.EDITED, 7, 7, "detail [/]", action, action)])

    told = capsys.readouterr().out
    assert "TAMPERED" in told
    assert all(char.isprintable() for char in told if char != "\n")


def test_control_and_formatting_characters_are_written_out() -> None:
    assert visible(HIDING) == r"\x1b[2J\x1b[Hgood\u202e\r\n"
    assert visible("Šabac, 4 % [x]") == "Šabac, 4 % [x]"


async def test_an_edit_that_carries_markup_is_reported_and_exits_4(rig: Rig, tmp_path: Path) -> None:
    await rig.filled(9)
    payload = orjson.dumps({"event": {"action": "[/nothing]"}})
    await rig.attack("UPDATE audit_ledger.entries SET payload = $1 WHERE seq = 4", arguments=(payload,))

    result = await run(rig, tmp_path, "verify")

    assert (result.exit_code, result.exception.__class__) == (4, SystemExit)


async def test_the_tail_shows_a_subject_s_escape_codes_in_words(rig: Rig, tmp_path: Path) -> None:
    ledger = rig.ledger()
    await ledger.start()
    await ledger.record(rig.event(0) | {"user": {"id": HIDING}})
    await asyncio.gather(ledger.stop())

    result = await run(rig, tmp_path, "tail")

    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert r"\x1b[2J" in result.stdout


async def test_what_was_not_rehashed_is_not_called_good_in_silence(rig: Rig, tmp_path: Path) -> None:
    await rig.filled(20, checkpoint_at=(10,))

    part = await run(rig, tmp_path, "verify", "--since", "10")
    whole = await run(rig, tmp_path, "verify")

    assert "rehashed from entry 10 on" in part.stdout
    assert "rehashed from" not in whole.stdout
