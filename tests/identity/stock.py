"""Databases of identity that tests use one after the other: emptying one is many times quicker than making one."""

from urllib.parse import urlsplit

import asyncpg

from tests.conftest import DatabaseMaker

_REMEMBER = """
DO $$
DECLARE it text; has_rows boolean;
BEGIN
    CREATE SCHEMA seed;
    FOR it IN SELECT tablename FROM pg_tables WHERE schemaname = 'identity' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM identity.%I)', it) INTO has_rows;
        IF has_rows THEN EXECUTE format('CREATE TABLE seed.%I AS TABLE identity.%I', it, it); END IF;
    END LOOP;
END $$"""
_RESTORE = """
DO $$
DECLARE it text;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR it IN SELECT tablename FROM pg_tables WHERE schemaname = 'identity' LOOP
        EXECUTE format('DELETE FROM identity.%I', it);
    END LOOP;
    FOR it IN SELECT tablename FROM pg_tables WHERE schemaname = 'seed' LOOP
        EXECUTE format('INSERT INTO identity.%I SELECT * FROM seed.%I', it, it);
    END LOOP;
END $$"""
_SEND_AWAY = """
SELECT pg_terminate_backend(pid, 10_000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""


class Stock:
    """Hands out databases with the rows of a fresh one; who is still connected to one given back is sent away."""

    def __init__(self) -> None:
        self._free: list[str] = []

    async def take(self, make_database: DatabaseMaker) -> str:
        """Return the URL of a database that nobody uses."""
        if self._free:
            return self._free.pop()
        url = await make_database("identity", kept=True)
        await _execute(url, _REMEMBER)
        return url

    async def give_back(self, url: str) -> None:
        """Put a database back as it was when it was fresh."""
        await _execute(url, _SEND_AWAY, f"ALTER DATABASE {urlsplit(url).path[1:]} RESET ALL", _RESTORE)
        self._free.append(url)


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url, server_settings={"default_transaction_read_only": "off"})
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
