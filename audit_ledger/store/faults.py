"""One translation of what the database driver can raise into what the ledger says."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from audit_ledger.domain.errors import LedgerDownError, UncheckableError

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


@contextmanager
def driver_errors() -> Iterator[None]:
    """Turn a missing table into UncheckableError and any other driver error into LedgerDownError."""
    try:
        yield
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as cause:
        raise UncheckableError("the database has no ledger tables: start gridwarden on it once") from cause
    except DRIVER_ERRORS as cause:
        raise LedgerDownError(type(cause).__name__) from cause
