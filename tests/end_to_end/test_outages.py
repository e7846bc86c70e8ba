"""What the product leans on goes away while it runs, the database or the OPA server: no, until it is back."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from control_plane.cli.person import GatewaySilentError, Person
from shared_kernel.clock import SystemClock, to_iso
from shared_kernel.ids import uuid7
from tests.end_to_end.configured import Configured, configured, signed_in, until
from tests.servers.opa import opa_server

METER = "MTR-OUTAGE"
IN_FLIGHT = 12


def _reading() -> dict[str, str]:
    return {
        "event_id": uuid7(), "meter_id": METER, "customer_id": "CUS-0001", "reading_kwh": "1", "unit": "kWh",
        "observed_at": to_iso(SystemClock().now_us()), "provenance": "simulated",
    }


async def _ready(instance: Configured) -> bool:
    async with httpx.AsyncClient() as http:
        return (await http.get(f"{instance.gateway}/health/ready")).status_code == 200


def _server_processes(instance: Configured) -> list[int]:
    """Return the embedded server's processes, the postmaster first."""
    postmaster = int((instance.home / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(postmaster)], capture_output=True, text=True, check=False)
    return [postmaster, *map(int, found.stdout.split())]


def _signal_all(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        os.kill(process, number)


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Configured]:
    with configured(tmp_path_factory.mktemp("fragile") / "home") as instance:
        yield instance


async def _readings(operator: Person) -> list[str]:
    answer = await operator.ask("GET", f"/api/v1/meters/{METER}/readings?limit=500")
    return [one["event_id"] for one in answer.json()["items"]]


async def test_a_database_that_hangs_in_mid_request_gives_503_and_nothing_is_half_done(fragile: Configured) -> None:
    operator = await signed_in(fragile, "orhan.operator")
    processes = _server_processes(fragile)
    bodies = [_reading() for _ in range(IN_FLIGHT)]
    _signal_all(processes, signal.SIGSTOP)
    try:
        answers = await asyncio.gather(*(operator.ask("POST", "/api/v1/ingest/meter", body=one) for one in bodies))
        live = await operator.ask("GET", "/health/live")
        ready = await operator.ask("GET", "/health/ready")
    finally:
        _signal_all(processes, signal.SIGCONT)

    assert {answer.status_code for answer in answers} == {503}
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert (live.status_code, ready.status_code) == (200, 503)
    assert ready.json()["reasons"]

    assert await until(lambda: _ready(fragile))
    again = [await operator.ask("POST", "/api/v1/ingest/meter", body=one) for one in bodies]
    assert {answer.status_code for answer in again} <= {200, 201}
    assert sorted(await _readings(operator)) == sorted(one["event_id"] for one in bodies)
    assert "Traceback" not in "".join(line for line in fragile.log.open() if '"decision_not_sealed"' in line)
    await operator.__aexit__(None, None, None)


async def test_a_database_whose_connections_die_is_found_again_and_loses_nothing_acknowledged(
    fragile: Configured,
) -> None:
    operator = await signed_in(fragile, "orhan.operator")
    acknowledged, statuses = await _readings(operator), set()
    for round_ in range(60):
        if round_ == 20:
            _signal_all(_server_processes(fragile)[1:2], signal.SIGKILL)  # one crashed backend restarts them all
        body = _reading()
        answer = await operator.ask("POST", "/api/v1/ingest/meter", body=body)
        statuses.add(answer.status_code)
        acknowledged += [body["event_id"]] if answer.status_code == 201 else []

    assert statuses <= {201, 401, 503}, statuses
    assert await until(lambda: _ready(fragile))
    assert set(acknowledged) <= set(await _readings(operator))
    assert (await operator.ask("POST", "/api/v1/ingest/meter", body=_reading())).status_code == 201
    verified = subprocess.run(fragile.command("ledger", "verify"), env=fragile.environment(), capture_output=True,
                              text=True, check=False)
    assert verified.returncode in {0, 3}, verified.stdout + verified.stderr
    await operator.__aexit__(None, None, None)


async def test_a_database_server_that_died_is_started_again_and_has_what_was_acknowledged(fragile: Configured) -> None:
    operator = await signed_in(fragile, "orhan.operator")
    body = _reading()
    assert (await operator.ask("POST", "/api/v1/ingest/meter", body=body)).status_code == 201

    _signal_all(_server_processes(fragile)[:1], signal.SIGKILL)

    assert await until(lambda: _answers(operator), patience_s=40)
    assert body["event_id"] in await _readings(operator)
    assert (await operator.ask("POST", "/api/v1/ingest/meter", body=_reading())).status_code == 201
    await operator.__aexit__(None, None, None)


async def _answers(operator: Person) -> bool:
    return (await operator.ask("POST", "/api/v1/ingest/meter", body=_reading())).status_code == 201


async def test_asked_to_stop_under_load_it_ends_what_it_began(fragile: Configured) -> None:
    """Runs last on this instance."""
    operator = await signed_in(fragile, "orhan.operator")
    process, told_before = fragile._process, len(fragile.log.read_text())
    assert process is not None
    statuses: set[int] = set()

    async def send() -> None:
        with contextlib.suppress(GatewaySilentError):
            while True:
                statuses.add((await operator.ask("POST", "/api/v1/ingest/meter", body=_reading())).status_code)

    senders = [asyncio.create_task(send()) for _ in range(IN_FLIGHT)]
    await asyncio.sleep(1)
    process.send_signal(signal.SIGTERM)
    await asyncio.gather(*senders)
    code = await asyncio.to_thread(process.wait, 20)
    await operator.__aexit__(None, None, None)

    assert (code, statuses) == (0, {201})
    assert "Traceback" not in fragile.log.read_text()[told_before:]


# ------------------------------------------------------------------------------------------------------------- OPA

QUESTIONS = (
    ("vera.viewer", "/api/v1/users/me", 200), ("vera.viewer", "/api/v1/rules", 403), ("vera.viewer", "/nothing", 404),
    ("vera.viewer", "/api/v1/meters", 200), ("vera.viewer", "/api/v1/customers", 403),
    ("sami.soc", "/api/v1/rules", 200),
    ("sami.soc", "/api/v1/users", 403), ("orhan.operator", "/api/v1/playbooks", 200),
    ("orhan.operator", "/api/v1/customers", 403),
)


async def _statuses(people: dict[str, Person]) -> list[int]:
    return [(await people[name].ask("GET", path)).status_code for name, path, _ in QUESTIONS]


@pytest.mark.opa
async def test_an_opa_server_decides_the_same_and_when_it_is_gone_nothing_is_allowed(tmp_path: Path) -> None:
    expected = [status for _, _, status in QUESTIONS]
    with contextlib.ExitStack() as opa:
        url = opa.enter_context(opa_server())
        with configured(tmp_path / "home", OPA_URL=url) as instance:
            people = {name: await signed_in(instance, name) for name in ("vera.viewer", "sami.soc", "orhan.operator")}
            with_opa = await _statuses(people)
            operator = people["orhan.operator"]
            restricted = await operator.ask("GET", "/api/v1/customers", purpose="billing")

            opa.close()
            without = [await people["vera.viewer"].ask("GET", "/api/v1/users/me") for _ in range(2)]

            opa.enter_context(opa_server(int(url.rpartition(":")[2])))

            async def has_recovered() -> bool:
                return (await operator.ask("GET", "/api/v1/users/me")).status_code == 200

            recovered = await until(has_recovered)
            afterwards = await _statuses(people)
            for person in people.values():
                await person.__aexit__(None, None, None)

    assert with_opa == expected
    assert restricted.status_code == 200, restricted.text
    assert {answer.status_code for answer in without} <= {403, 503}
    assert "policy engine" in without[0].text
    assert recovered
    assert afterwards == expected
