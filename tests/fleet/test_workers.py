"""Several gateway processes of one host: one port, one ledger, one answer for Prometheus; nothing lost, no orphans."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from control_plane.cli.person import Person
from tests.fleet.hosts import VIEWER, Host, Load, answers, host, sealed, until, verified, viewer

pytestmark = pytest.mark.slow


async def metric(at: Host, name: str) -> float:
    """Return the sum of a metric's samples as Prometheus would scrape it."""
    admin = Person(at.gateway, user_agent="fleet")
    await admin.sign_in("admin", at.passwords["admin"])
    answer = await admin.ask("GET", "/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


async def test_workers_share_the_port_and_one_that_is_killed_costs_nothing_acknowledged(
    make_database: Callable[..., Any], tmp_path: Path,
) -> None:
    database = await make_database()
    with host(tmp_path / "home", database, GRIDWARDEN_WORKERS="2") as at:
        assert at.facts["workers"] == 2
        load = Load(await viewer(at), [at.gateway])
        async with load.running():
            await until(lambda: len(load.acknowledged) > 150)
            [worker] = at.workers()
            worker.kill()
            await until(lambda: len(at.said("worker_ended")) == 1)
            asked = len(load.acknowledged)
            await until(lambda: len(load.acknowledged) > asked + 30)
            took_s = await until(lambda: len(at.said("worker_ready")) == 2, 100)

        counted = await sealed(database)
        forwarded = await metric(at, "gridwarden_audit_ledger_forwarded_total")
        drained = await metric(at, "gridwarden_audit_ledger_drained_total")
        served = await metric(at, "gridwarden_gateway_request_seconds_count")

        assert set(load.statuses) <= {"200", "ReadError", "RemoteProtocolError", "ConnectError", "ReadTimeout"}
        assert {counted[request] for request in load.acknowledged} == {1}
        assert max(counted.values()) == 1
        assert took_s < 100
        assert drained > 0
        assert forwarded > 0
        assert served > 0
        await until(lambda: _is_ready(at), 30)
        assert at.stop(signal.SIGINT) == 0
        assert await verified(at, database) in {0, 3}


async def test_the_parents_death_ends_its_workers_soon(
    make_database: Callable[..., Any], tmp_path: Path,
) -> None:
    with host(tmp_path / "home", await make_database(), GRIDWARDEN_WORKERS="3") as at:
        first, second = at.workers()
        first.kill()
        await until(lambda: len(at.workers()) == 2 and first not in at.workers())
        [successor] = [one for one in at.workers() if one != second]

        at.kill()

        took_s = await until(lambda: not _lives(second), 10)
        assert took_s < 5  # they look every half second; a stalled machine takes longer
        await until(lambda: not _lives(successor), 30)  # an interpreter that is just starting has to come up to notice
        assert await answers(at.gateway) == 0


async def test_a_port_that_is_taken_is_refused_though_workers_share_theirs(
    make_database: Callable[..., Any], tmp_path: Path,
) -> None:
    database = await make_database()
    with host(tmp_path / "one", database, GRIDWARDEN_WORKERS="2") as at:
        other = Host(tmp_path / "two", at.variables, port=at.port)
        try:
            with pytest.raises(AssertionError, match=r"taken by another process|^$"):
                await asyncio.to_thread(other.start)
            assert other.process.wait(30) != 0
        finally:
            other.end()
        assert at.passwords[VIEWER]


async def _is_ready(at: Host) -> bool:
    return {await answers(at.gateway) for _ in range(8)} == {200}


def _lives(one: psutil.Process) -> bool:
    try:
        return bool(one.is_running() and one.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
