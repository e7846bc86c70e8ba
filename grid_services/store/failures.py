"""Database failures in the kernel's word for them."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from grid_services.domain.errors import TelemetryDownError


@contextmanager
def telemetry_failures() -> Iterator[None]:
    """Turn a database that does not answer into TelemetryDownError."""
    try:
        yield
    except (
        asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError,
        asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError,
        asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError,
        asyncpg.ReadOnlySQLTransactionError, asyncpg.TransactionRollbackError, OSError, TimeoutError,
    ) as cause:
        raise TelemetryDownError from cause
