"""One transaction on the house's tables; a database that does not answer becomes UnavailableError."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from governance.domain.errors import StoreUnavailableError

_SILENT = (
    asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError, OSError, TimeoutError,
)


@asynccontextmanager
async def transaction(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """Commit on leaving, roll back on an error."""
    try:
        async with pool.acquire() as connection, connection.transaction():
            yield connection
    except _SILENT as cause:
        raise StoreUnavailableError(cause) from cause
