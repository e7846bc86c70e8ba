"""Migrations run once and refuse the future; roles hold; the embedded server survives its parent."""

from pathlib import Path

import asyncpg
import pytest

from control_plane.database.embedded import EmbeddedPostgres
from control_plane.database.migrations import HOUSES, NewerDataError, migrate
from control_plane.database.pools import open_pool
from control_plane.database.roles import APP, LEDGER_READER, LEDGER_WRITER
from shared_kernel.errors import UnavailableError
from tests.conftest import DatabaseMaker
from tests.enterable import enterable


async def test_migrating_twice_changes_nothing(make_database: DatabaseMaker) -> None:
    url = await make_database()

    await migrate(url)

    connection = await asyncpg.connect(url)
    versions = [await connection.fetchval(f"SELECT count(*) FROM {house}.alembic_version") for house in HOUSES]  # noqa: S608 - our own names
    await connection.close()
    assert versions == [1] * len(HOUSES)


async def test_tables_of_a_newer_version_are_left_alone(make_database: DatabaseMaker) -> None:
    url = await make_database("governance")
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE governance.alembic_version SET version_num = '9999'")
    await connection.close()

    with pytest.raises(NewerDataError, match="newer Gridwarden"):
        await migrate(url, ("governance",))


@pytest.mark.parametrize("role", [APP, LEDGER_WRITER, LEDGER_READER])
async def test_a_pool_acts_as_its_role_and_owns_nothing(make_database: DatabaseMaker, role: str) -> None:
    url = await make_database("audit_ledger", "identity")
    pool = await open_pool(url, role, size=1)

    assert await pool.fetchval("SELECT current_user") == role
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("DROP TABLE audit_ledger.entries")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("ALTER TABLE audit_ledger.entries DISABLE TRIGGER ALL")
    await pool.close()


async def test_an_open_transaction_does_not_survive_its_use(make_database: DatabaseMaker) -> None:
    pool = await open_pool(await make_database("identity"), APP, size=1)
    async with pool.acquire() as connection:
        await connection.execute("BEGIN")

    async with pool.acquire() as connection:
        assert not connection.is_in_transaction()
    await pool.close()


async def test_a_silent_server_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="DATABASE_URL"):
        await open_pool("postgresql://nobody@127.0.0.1:1/none", APP, size=1)


async def test_a_server_left_behind_is_found_again(tmp_path: Path) -> None:
    left = EmbeddedPostgres(enterable(tmp_path) / "pg", durable=False)
    url = left.start()

    again = EmbeddedPostgres(tmp_path / "pg", durable=False)

    assert again.is_running()
    assert again.start() == url
    again.stop()
    assert not again.is_running()
