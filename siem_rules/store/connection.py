"""What a lost database looks like from inside this house: an UnavailableError, and nothing half-done."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from shared_kernel.errors import UnavailableError

_LOST = (
    asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError, OSError, TimeoutError,
)


@asynccontextmanager
async def transaction(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection inside one transaction."""
    try:
        async with pool.acquire() as connection, connection.transaction():
            yield connection
    except _LOST as cause:
        raise UnavailableError("the detection store does not answer: retry in a moment") from cause
