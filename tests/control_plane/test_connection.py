"""Commands share a home's embedded server, and none takes it from another or from a product."""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from control_plane.cli.connection import database
from control_plane.database.embedded import EmbeddedPostgres
from control_plane.home import Home, HomeLock, is_in_use
from tests.enterable import enterable

CHILD_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2): orphans become our children."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    cluster = Home(enterable(tmp_path)).postgres
    EmbeddedPostgres(cluster, durable=False).start()
    EmbeddedPostgres(cluster, durable=False).stop()
    yield tmp_path
    EmbeddedPostgres(cluster, durable=False).stop()


def test_the_last_of_two_commands_finds_its_server_running(home: Path) -> None:
    server = EmbeddedPostgres(Home(home).postgres)
    with contextlib.ExitStack() as first:
        first.enter_context(database(home, None))
        with contextlib.ExitStack() as second:
            second.enter_context(database(home, None))
            first.close()
            was_running = server.is_running()

    assert was_running


def test_a_command_stops_the_server_it_started_also_when_interrupted(home: Path) -> None:
    with pytest.raises(KeyboardInterrupt), database(home, None):
        raise KeyboardInterrupt

    assert not EmbeddedPostgres(Home(home).postgres).is_running()


def test_a_product_that_started_meanwhile_keeps_its_server(home: Path) -> None:
    with HomeLock(Home(home), "0"):
        with database(home, None):
            pass
        was_running = EmbeddedPostgres(Home(home).postgres).is_running()

    assert was_running
    assert not is_in_use(Home(home))


@pytest.fixture(params=[0, 1], ids=["somebody else buries", "we bury, as the first process of a container"])
def burial(request: pytest.FixtureRequest) -> Iterator[None]:
    ctypes.CDLL(None).prctl(CHILD_SUBREAPER, request.param, 0, 0, 0)
    yield
    ctypes.CDLL(None).prctl(CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.mark.usefixtures("burial")
async def test_a_server_killed_this_moment_is_started_again(home: Path) -> None:
    cluster = Home(home).postgres
    EmbeddedPostgres(cluster).start()
    os.kill(int((cluster / "postmaster.pid").read_text().split("\n", 1)[0]), signal.SIGKILL)

    connection = await asyncpg.connect(await asyncio.to_thread(EmbeddedPostgres(cluster).start))

    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
