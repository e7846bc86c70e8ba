"""A ledger under test (rig.py), its copies (copies.py), and its sealed fields (sealing_rig.py)."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from audit_ledger.adapters.mongo_mirror import MongoMirror
from audit_ledger.adapters.tile_folder import TileFolder
from tests.audit_ledger.copies import Fleet
from tests.audit_ledger.rig import Rig, opened
from tests.audit_ledger.sealing_rig import KEK, SealingRig
from tests.frozen_clock import FrozenClock
from tests.servers.mongo import MongoServer, mongo_server


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--kills N`: how often the crash test kills (pytest knows it when told to run this folder or a file of it)."""
    parser.addoption("--kills", type=int, default=None, help="how often test_crash.py kills the ledger")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """Return how often to kill: `--kills`, GRIDWARDEN_KILLS, or 200."""
    wanted: int | None = request.config.getoption("--kills", default=None)
    return wanted or int(os.environ.get("GRIDWARDEN_KILLS", "200"))


@pytest.fixture
async def rig(make_database: Callable[..., Any], tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Rig]:
    """A ledger's parts on a fresh database and a fresh folder."""
    async with opened(make_database, tmp_path, clock) as made:
        yield made


@pytest.fixture
async def desk(rig: Rig) -> AsyncIterator[SealingRig]:
    """A ledger that seals personal fields, and leads."""
    made = SealingRig(rig, KEK)
    await made.ledger.start()
    yield made
    await made.ledger.stop()


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """One server a worker; every test's log has a name, and a database, of its own."""
    with mongo_server(tmp_path_factory.mktemp("mongo") / "db") as server:
        yield server


@pytest.fixture
async def fleet(
    make_database: Callable[..., Any], tmp_path: Path, clock: FrozenClock, mongo: MongoServer,
) -> AsyncIterator[Fleet]:
    """A ledger and two empty copies."""
    async with opened(make_database, tmp_path, clock) as rig:
        mirror = MongoMirror.connect(host=mongo.host, port=mongo.port, database=rig.signer.name.replace("/", "-"),
                                     stream=rig.signer.name, patience_s=1.0)
        yield Fleet(rig, TileFolder(tmp_path / "tlog", rig.signer.name), mirror, tmp_path / "tlog")
        await mirror.close()
