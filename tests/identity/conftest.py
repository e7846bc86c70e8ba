"""A provider on a real database for every test that asks for the world."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from identity.domain.oauth.client_certificates import Authorities
from identity.service import IdentityProvider
from identity.store.database import Database
from tests.conftest import DatabaseMaker
from tests.frozen_clock import FrozenClock
from tests.identity.client_desk import ClientDesk
from tests.identity.client_kit import client_ca
from tests.identity.people.town import MailBox, Town
from tests.identity.receiver import Receiver, receiving
from tests.identity.stock import Stock
from tests.identity.world import ISSUER, ListRecorder, World, quick_keys, quick_passwords


@pytest.fixture(scope="session")
def stock() -> Stock:
    """This worker's databases."""
    return Stock()


@pytest.fixture
async def database_url(make_database: DatabaseMaker, stock: Stock) -> AsyncIterator[str]:
    """A database of identity as fresh."""
    url = await stock.take(make_database)
    yield url
    await stock.give_back(url)


@pytest.fixture
async def app_pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """A pool with the application's role, for tests in every folder of the house."""
    pool = await open_pool(database_url, APP, size=8)
    yield pool
    async with asyncio.timeout(60):
        await pool.close()


@pytest.fixture
async def world(app_pool: asyncpg.Pool, clock: FrozenClock, tmp_path: Path) -> AsyncIterator[World]:
    """A provider with people and clients."""
    recorder = ListRecorder()
    provider = IdentityProvider(Database(app_pool), recorder, clock, issuer=ISSUER, keys=quick_keys(tmp_path / "keys"),
                                passwords=quick_passwords())
    found = World(provider, recorder, clock, app_pool)
    await found.people()
    yield found
    provider.close()


@pytest.fixture
async def desk(app_pool: asyncpg.Pool, clock: FrozenClock, tmp_path: Path) -> AsyncIterator[ClientDesk]:
    """A provider asked by protocol clients; the authority `client_ca` vouches for their certificates."""
    provider = IdentityProvider(
        Database(app_pool), ListRecorder(), clock, issuer=ISSUER, keys=quick_keys(tmp_path / "keys"),
        client_authorities=Authorities([client_ca().own.x509]), passwords=quick_passwords())
    yield ClientDesk(provider, clock)
    provider.close()


@pytest.fixture
async def town(app_pool: asyncpg.Pool, clock: FrozenClock, tmp_path: Path) -> AsyncIterator[Town]:
    """A provider with people, clients, open registration and a mail server."""
    recorder, mailbox = ListRecorder(), MailBox()
    provider = IdentityProvider(Database(app_pool), recorder, clock, issuer=ISSUER, keys=quick_keys(tmp_path / "keys"),
                                mail=mailbox, people_registration=True, passwords=quick_passwords())
    found = Town(provider, recorder, clock, app_pool)
    found.mailbox = mailbox
    await found.people()
    yield found
    provider.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A client's server on loopback."""
    async with receiving() as found:
        yield found
