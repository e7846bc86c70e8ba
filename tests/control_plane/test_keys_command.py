"""`gridwarden keys`: what signs, what comes next, and a rotation that a running server takes up by itself."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from control_plane.cli import app
from control_plane.config import ConfigurationError, load_settings
from control_plane.signing_keys import vault_session
from identity.adapters.key_files import KeyFiles
from identity.domain.jose.algorithms import ALGORITHMS
from identity.domain.jose.key_ring import SETTLING_S
from identity.service.journal import Journal
from identity.service.keys.keychain import Keychain
from shared_kernel.clock import SystemClock
from shared_kernel.errors import ConflictError, GridwardenError
from tests.identity.world import ListRecorder
from tests.servers.vault import TOKEN, vault_server
from tests.servers.vault_role import provision


def keys(*arguments: str) -> Any:
    """Run the command and return its JSON."""
    done = CliRunner().invoke(app, ["keys", *arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refusal(*arguments: str) -> GridwardenError:
    with pytest.raises(GridwardenError) as found:
        CliRunner().invoke(app, ["keys", *arguments], catch_exceptions=False)
    return found.value


def by_generation(rows: Any) -> dict[tuple[str, str], str]:
    return {(row["algorithm"], row["generation"]): row["kid"] for row in rows}


@pytest.fixture
async def old_home(tmp_path: Path) -> Path:
    """A home whose keys are old enough to rotate."""
    made_us = SystemClock().now_us() - SETTLING_S * 1_000_000
    (tmp_path / "keys").mkdir()
    await KeyFiles(tmp_path / "keys" / "identity").load(made_us)
    return tmp_path


def test_keys_are_listed_with_what_they_do(old_home: Path) -> None:
    rows = keys("list", "--home", str(old_home))

    assert list(by_generation(rows)) == [(name, at) for name in ALGORITHMS for at in ("current", "next")]
    assert [row["rotates_at"] is not None for row in rows] == [True, False] * 4
    assert set(rows[0]) == {"algorithm", "generation", "kid", "created_at", "rotates_at"}
    table = CliRunner().invoke(app, ["keys", "list", "--home", str(old_home)]).stdout
    assert all(row["kid"] in table for row in rows)


def test_a_rotation_moves_every_generation_once(old_home: Path) -> None:
    before = by_generation(keys("list", "--home", str(old_home)))

    after = by_generation(keys("rotate", "--home", str(old_home)))

    for name in ALGORITHMS:
        assert after[name, "current"] == before[name, "next"]
        assert after[name, "previous"] == before[name, "current"]
    assert isinstance(refusal("rotate", "--home", str(old_home)), ConflictError)


def test_a_home_that_never_ran_has_no_keys_and_gets_none(tmp_path: Path) -> None:
    for command in ("list", "rotate"):
        assert "gridwarden up" in refusal(command, "--home", str(tmp_path)).detail
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
async def test_a_running_server_takes_up_a_rotation_by_itself(old_home: Path) -> None:
    """Another process rotates; what runs finds it at its next look, without a restart, and seals it."""
    recorder, clock = ListRecorder(), SystemClock()
    running = Keychain(KeyFiles(old_home / "keys" / "identity"), clock, Journal(recorder, clock))
    await running.look()
    environment = {**os.environ, "GRIDWARDEN_HOME": str(old_home)}

    done = await run_command("keys", "rotate", "--json", environment=environment)
    await running.look()

    assert running.rings.rings["ES256"].current.kid == by_generation(json.loads(done))["ES256", "current"]
    assert [event["event"]["action"] for event in recorder.events] == ["keys_rotated"]


async def run_command(*arguments: str, environment: dict[str, str]) -> bytes:
    """Run `gridwarden` in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "control_plane", *arguments, env=environment, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output


def test_help_shows_examples() -> None:
    for command in ("list", "rotate"):
        assert f"gridwarden keys {command}" in CliRunner().invoke(app, ["keys", command, "--help"]).stdout


@pytest.mark.parametrize("settings", [
    {}, {"vault_addr": "http://127.0.0.1:1"}, {"vault_addr": "http://127.0.0.1:1", "vault_role_id": "r"},
    {"vault_addr": "http://127.0.0.1:1", "vault_secret_id": "s", "vault_token": "t"}, {"vault_token": "t"},
])
def test_half_a_way_into_vault_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="VAULT_"):
        vault_session(load_settings(**settings))


@pytest.mark.vault
@pytest.mark.parametrize("kind", ["vault-kv", "vault-transit"])
def test_keys_in_vault_are_listed_and_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    with vault_server() as address:
        role_id, secret_id = provision(address, TOKEN)
        for name, value in {"VAULT_ADDR": address, "VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": secret_id,
                            "GRIDWARDEN_IDENTITY_KEYS": kind, "GRIDWARDEN_HOME": str(tmp_path)}.items():
            monkeypatch.setenv(name, value)

        rows = keys("list")

        assert [row["algorithm"] for row in rows] == [name for name in ALGORITHMS for _ in range(2)]
        assert keys("list") == rows
        assert isinstance(refusal("rotate"), ConflictError)
        assert list(tmp_path.iterdir()) == []
    assert "Vault" in refusal("list").detail
