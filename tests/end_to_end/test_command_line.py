"""The command line: one sentence an error, exit codes that scripts can use, no colours where nobody looks."""

import os
import signal
import subprocess
import time
from pathlib import Path

import httpx2 as httpx
import pyotp
import pytest

from control_plane.cli.person import Form, Person, _FormReader
from control_plane.demo.instance import Instance
from tests.enterable import enterable


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


PASSWORD = "correct tractor battery lamp"


def _form(page: httpx.Response, field: str) -> Form:
    reader = _FormReader()
    reader.feed(page.text)
    return next(form for form in reader.forms if field in form.fields)


async def _person_with_an_app(instance: Instance) -> tuple[str, pyotp.TOTP]:
    async with Person(instance.gateway) as admin:
        await admin.sign_in("admin", instance.passwords["admin"])
        made = await admin.ask("POST", "/api/v1/users", body={"name": "olsi.app", "password": PASSWORD})
    assert made.status_code == 201, made.text
    origin = {"origin": instance.gateway}
    async with httpx.AsyncClient(base_url=instance.gateway, headers=origin, follow_redirects=True) as browser:
        login = _form(await browser.get("/login"), "password")
        await browser.post(login.action, data=login.fields | {"name": "olsi.app", "password": PASSWORD})
        factors = _FormReader()
        factors.feed((await browser.get("/account/factors")).text)
        offer = next(form for form in factors.forms if form.action.endswith("/totp"))
        shown = await browser.post(offer.action, data=offer.fields)
        app = pyotp.TOTP(shown.text.partition('id="secret"')[2].partition(">")[2].partition("<")[0].replace(" ", ""))
        proof = _form(shown, "code")
        enrolled = await browser.post(proof.action, data=proof.fields | {"code": app.now()})
    assert enrolled.status_code == 200, enrolled.text
    return "olsi.app", app


async def test_a_person_with_a_second_factor_gets_a_token_by_a_code_and_by_nothing_less(instance: Instance) -> None:
    name, app = await _person_with_an_app(instance)
    asked = ("token", name, "--gateway", instance.gateway)

    without = _run(instance, *asked, GRIDWARDEN_PASSWORD=PASSWORD)
    wrong = _run(instance, *asked, "--code", "none", GRIDWARDEN_PASSWORD=PASSWORD)
    code = app.at(int(time.time()) + 30)
    right = _run(instance, *asked, GRIDWARDEN_PASSWORD=PASSWORD, GRIDWARDEN_CODE=code)
    again = _run(instance, *asked, GRIDWARDEN_PASSWORD=PASSWORD, GRIDWARDEN_CODE=code)

    assert (without.returncode, without.stdout) == (1, "")
    assert "--code or GRIDWARDEN_CODE" in without.stderr
    assert (wrong.returncode, "the code is not right" in wrong.stderr) == (1, True)
    assert (right.returncode, right.stdout.count(".")) == (0, 2), right.stderr
    assert (again.returncode, "was used before" in again.stderr) == (1, True)


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    with Instance(enterable(tmp_path) / "home") as instance:
        process = instance._process
        assert process is not None
        os.kill(instance.pid, signal.SIGINT)
        assert process.wait(20) == 0
        assert "Traceback" not in instance.log.read_text()
