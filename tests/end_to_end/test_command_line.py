"""The command line: one sentence an error, exit codes that scripts can use, no colours where nobody looks."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from control_plane.demo.instance import Instance


def _run(instance: Instance, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in instance.environment().items() if name != "NO_COLOR"}
    return subprocess.run(instance.command(*words), env=kept | environment, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=60)


@pytest.mark.parametrize("words", [
    ("--help",), ("up", "--help"), ("console", "--help"), ("token", "--help"), ("demo", "--help"),
    ("ledger", "verify", "--help"), ("rules", "check", "--help"), ("playbook", "check", "--help"),
])
def test_every_command_explains_itself(tmp_path: Path, words: tuple[str, ...]) -> None:
    result = _run(Instance(tmp_path / "home"), *words)

    assert result.returncode == 0
    assert "Usage" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("words", [("nope",), ("up", "--nope"), ("up", "--gateway-port", "abc"), ("token",)])
def test_a_command_that_does_not_exist_is_exit_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    result = _run(Instance(tmp_path / "home"), *words)

    assert result.returncode == 2
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("words", "told"), [
    (("up", "--gateway-port", "99999"), "the setting gateway_port is unusable"),
    (("up", "--host", "nosuchhost"), "the setting host is unusable"),
    (("up", "--host", "192.0.2.1", "--gateway-port", "0"), "cannot listen on 192.0.2.1"),
    (("token", "admin", "--password", "x", "--gateway", "http://127.0.0.1:1"), "nothing answers at"),
])
def test_an_expected_error_is_one_line(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    result = _run(Instance(tmp_path / "home"), *words)

    assert result.returncode == 1
    assert result.stderr.startswith("gridwarden: ")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1, result.stderr


def test_a_database_url_of_something_else_is_told_in_words(tmp_path: Path) -> None:
    result = _run(Instance(tmp_path / "home"), "up", DATABASE_URL="mysql://x")

    assert "the setting database_url is unusable: it must start with postgresql://" in result.stderr


def test_verifying_where_nothing_is_cannot_check_and_creates_nothing(tmp_path: Path) -> None:
    result = _run(Instance(tmp_path / "home"), "ledger", "verify")

    assert result.returncode == 5
    assert "holds no database" in result.stderr
    assert not (tmp_path / "home").exists()


def test_a_folder_without_rules_proves_nothing(tmp_path: Path) -> None:
    result = _run(Instance(tmp_path / "home"), "rules", "check", str(tmp_path))

    assert result.returncode == 1
    assert "there is no rule" in result.stderr


def test_a_wrong_password_gives_no_token_and_is_not_repeated(instance: Instance) -> None:
    result = _run(instance, "token", "vera.viewer", "--gateway", instance.gateway, GRIDWARDEN_PASSWORD="not-her-secret")

    assert (result.returncode, result.stdout) == (1, "")
    assert "vera.viewer was not signed in" in result.stderr
    assert "not-her-secret" not in result.stderr + instance.log.read_text()


def test_a_right_password_gives_a_token_and_nothing_else(instance: Instance) -> None:
    password = instance.passwords["ana.analyst"]
    result = _run(instance, "token", "ana.analyst", "--gateway", instance.gateway, GRIDWARDEN_PASSWORD=password)

    assert result.returncode == 0
    assert result.stdout.count(".") == 2
    assert result.stdout.count("\n") == 1
    assert "\x1b" not in result.stdout


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    with Instance(tmp_path / "home") as instance:
        process = instance._process
        assert process is not None
        os.kill(instance.pid, signal.SIGINT)
        assert process.wait(20) == 0
        assert "Traceback" not in instance.log.read_text()
