"""Connections of the house's pool; a database that does not answer becomes UnavailableError."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from soar_playbooks.domain.errors import StoreUnavailableError

_SILENT = (
    asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError, OSError, TimeoutError,
)


@asynccontextmanager
async def connection(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection for one statement, which is its own transaction."""
    try:
        async with pool.acquire() as lent:
            yield lent
    except _SILENT as cause:
        raise StoreUnavailableError(cause) from cause


@asynccontextmanager
async def transaction(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection inside a transaction: commit on leaving, roll back on an error."""
    async with connection(pool) as lent, lent.transaction():
        yield lent
