"""Starting: what is in the way is said in one sentence, and what was acknowledged survives kill -9."""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import asyncpg
import pytest

from control_plane.cli.person import Person
from control_plane.database.roles import ALL_ROLES, CREATE_ROLES
from control_plane.demo.instance import Instance
from shared_kernel.clock import SystemClock, to_iso
from shared_kernel.ids import uuid7
from tests.enterable import enterable

KILLS = 3


def _up(instance: Instance, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        instance.command("up", *words), env=instance.environment() | environment, capture_output=True, text=True,
        check=False, timeout=60,
    )


def _facts_until_ready(process: subprocess.Popen[bytes]) -> list[str]:
    facts: list[str] = []
    while process.stdout and "ready" not in facts and (line := process.stdout.readline()):
        facts.append(json.loads(line)["fact"])
    return facts


@pytest.fixture
def empty(tmp_path: Path) -> Instance:
    return Instance(enterable(tmp_path) / "home")


def test_a_taken_port_is_named_with_the_remedy(empty: Instance) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = _up(empty, "--gateway-port", str(port), "--console-port", "0")

    assert result.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken" in result.stderr.replace("\n", " ")
    assert "--gateway-port" in result.stderr


def test_a_home_in_use_is_named_with_the_remedy(instance: Instance) -> None:
    result = _up(instance, "--gateway-port", "0", "--console-port", "0")

    assert result.returncode == 1
    assert "in use by another running Gridwarden" in result.stderr.replace("\n", " ")
    assert "GRIDWARDEN_HOME" in result.stderr


def test_a_home_of_a_newer_version_is_left_alone(empty: Instance) -> None:
    empty.home.mkdir()
    (empty.home / "version.json").write_text(json.dumps({"format": 99, "version": "9.0.0"}))

    result = _up(empty, "--gateway-port", "0", "--console-port", "0")

    assert result.returncode == 1
    assert "newer Gridwarden 9.0.0" in result.stderr.replace("\n", " ")


def test_a_database_that_does_not_answer_is_named(empty: Instance) -> None:
    result = _up(empty, "--gateway-port", "0", "--console-port", "0",
                 DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")

    assert result.returncode == 1
    assert "DATABASE_URL" in result.stderr


def test_an_unusable_setting_is_named(empty: Instance) -> None:
    result = _up(empty, GRIDWARDEN_HOST="not-an-address")

    assert result.returncode == 1
    assert "host" in result.stderr


async def test_your_own_postgresql_is_used_instead_even_by_an_owner_who_is_no_superuser(
    empty: Instance, postgres_url: str,
) -> None:
    admin = await asyncpg.connect(postgres_url)
    await admin.execute("CREATE ROLE yours LOGIN PASSWORD 'pw'")
    for statement in CREATE_ROLES:  # another database of this server may have made them already
        await admin.execute(statement)
    await admin.execute(f"GRANT {', '.join(ALL_ROLES)} TO yours")
    await admin.execute("CREATE DATABASE yours OWNER yours")
    url = postgres_url.replace("postgres:@/postgres", "yours:pw@/yours")
    environment = empty.environment() | {"DATABASE_URL": url}
    command = empty.command("up", "--json", "--gateway-port", "0", "--console-port", "0")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        facts = _facts_until_ready(process)
        process.terminate()
    verified = subprocess.run(empty.command("ledger", "verify"), env=environment, capture_output=True, text=True,
                              check=False)
    left_open = await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname = 'yours'")
    await admin.execute("DROP DATABASE yours WITH (FORCE)")
    await admin.close()

    assert facts == ["account", "ready"]
    assert process.returncode == 0
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert left_open == 0
    assert not (empty.home / "postgres").exists()


@pytest.mark.slow
async def test_what_was_acknowledged_survives_kill_9_and_the_passwords_too(empty: Instance) -> None:
    acknowledged: list[str] = []
    for _ in range(KILLS):
        with empty as instance:
            async with Person(instance.gateway) as operator:
                await operator.sign_in("orhan.operator", instance.passwords["orhan.operator"])
                for _ in range(20):
                    event_id = uuid7()
                    answer = await operator.ask("POST", "/api/v1/ingest/meter", body={
                        "event_id": event_id, "meter_id": "MTR-KILL", "customer_id": "CUS-0001", "reading_kwh": "1",
                        "unit": "kWh", "observed_at": to_iso(SystemClock().now_us()), "provenance": "simulated",
                    })
                    acknowledged += [event_id] if answer.status_code == 201 else []
            os.kill(instance.pid, signal.SIGKILL)
            instance.stop()
    with empty as instance:
        async with Person(instance.gateway) as operator:
            await operator.sign_in("orhan.operator", instance.passwords["orhan.operator"])
            found = (await operator.ask("GET", "/api/v1/meters/MTR-KILL/readings?limit=500")).json()["items"]
        verified = subprocess.run(instance.command("ledger", "verify"), env=instance.environment(),
                                  capture_output=True, text=True, check=False)

    assert len(acknowledged) == 20 * KILLS
    assert sorted(one["event_id"] for one in found) == sorted(acknowledged)
    assert verified.returncode in {0, 3}, verified.stdout + verified.stderr
