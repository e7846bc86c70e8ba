"""Real PostgreSQL for every test: one server a worker, one database a test, cloned from a migrated template."""

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from control_plane.database.embedded import EmbeddedPostgres
from control_plane.database.migrations import HOUSES, migrate
from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from tests.enterable import enterable
from tests.frozen_clock import FrozenClock

START_US = 1_795_000_000_000_000
"""2026-11-18T11:06:40Z, where every frozen clock starts."""

DatabaseMaker = Callable[..., Awaitable[str]]


def _renamed(url: str, database: str) -> str:
    head, _, tail = url.partition("?")
    return f"{head.rpartition('/')[0]}/{database}" + (f"?{tail}" if tail else "")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Superuser URL of this worker's server. fsync is off: no test here pulls the machine's plug."""
    with tempfile.TemporaryDirectory(prefix="gw") as folder:
        server = EmbeddedPostgres(enterable(Path(folder)) / "pg", durable=False, processes=4)
        yield server.start()
        server.stop()


@pytest.fixture(scope="session")
def templates() -> dict[tuple[str, ...], str]:
    """Which combinations of houses already have a migrated template database."""
    return {}


@pytest.fixture
async def make_database(postgres_url: str, templates: dict[tuple[str, ...], str]) -> AsyncIterator[DatabaseMaker]:
    """Make a fresh database with the tables of the houses named (all of them when none is); answer its owner's URL.

    A database that is `kept` goes with the server only.
    """
    made: list[str] = []

    async def make(*houses: str, kept: bool = False) -> str:
        wanted = houses or HOUSES
        admin = await asyncpg.connect(postgres_url)
        try:
            if wanted not in templates:
                name = f"template_{uuid.uuid4().hex[:12]}"
                await admin.execute(f"CREATE DATABASE {name}")
                await migrate(_renamed(postgres_url, name), wanted)
                templates[wanted] = name
            name = f"test_{uuid.uuid4().hex[:12]}"
            await admin.execute(f"CREATE DATABASE {name} TEMPLATE {templates[wanted]} STRATEGY FILE_COPY")
        finally:
            await admin.close()
        if not kept:
            made.append(name)
        return _renamed(postgres_url, name)

    yield make
    admin = await asyncpg.connect(postgres_url)
    for name in made:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def app_pool(make_database: DatabaseMaker, request: pytest.FixtureRequest) -> AsyncIterator[asyncpg.Pool]:
    """A pool with the application's role on a fresh database of the house whose folder the test is in."""
    house = request.path.parent.name
    pool = await open_pool(await make_database(house), APP, size=8)
    yield pool
    async with asyncio.timeout(60):
        await pool.close()


@pytest.fixture
def clock() -> FrozenClock:
    """Return a clock standing at START_US."""
    return FrozenClock(START_US)


@pytest.fixture(scope="session")
def shared_vectors() -> Path:
    """The public test vectors beside the clone; a clone without them skips the tests that read them."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "vectors"
    if not folder.is_dir():
        pytest.skip("no ../shared/vectors beside this clone")
    return folder
