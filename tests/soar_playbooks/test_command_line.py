"""`gridwarden playbook`: a file is checked before it is dropped into the folder."""

from pathlib import Path

from typer.testing import CliRunner

from control_plane.cli.playbook import app
from tests.soar_playbooks.house import LOCK, one_step


def test_a_good_file_is_answered_with_its_version(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(one_step("mine"))

    result = CliRunner().invoke(app, ["check", str(tmp_path / "mine.yml")])

    assert result.exit_code == 0
    assert "mine  version " in result.output


def test_a_broken_file_is_answered_with_the_place_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(one_step("other"))

    result = CliRunner().invoke(app, ["check", str(tmp_path / "mine.yml")])

    assert result.exit_code == 1
    assert "name: 'other' must be the file's name" in result.output


def test_the_list_names_the_shipped_ones_and_fails_on_a_broken_one(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text("[")

    good = CliRunner().invoke(app, ["list"], env={"COLUMNS": "200"})
    bad = CliRunner().invoke(app, ["list", "--folder", str(tmp_path)], env={"COLUMNS": "200"})

    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert LOCK in good.output
    assert "broken" in bad.output
