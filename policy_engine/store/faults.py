"""What PostgreSQL's absence looks like to asyncpg, and what it means to a caller."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from shared_kernel.errors import UnavailableError

DOWN = (
    asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError, asyncpg.LockNotAvailableError, OSError,
    TimeoutError,
)


@contextmanager
def database_errors(what: str) -> Iterator[None]:
    """Raise UnavailableError in place of the driver's errors; `what` begins the sentence."""
    try:
        yield
    except DOWN as cause:
        raise UnavailableError(f"{what} cannot be reached ({type(cause).__name__})") from cause
