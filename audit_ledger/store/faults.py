"""One translation of what the database driver can raise into what the ledger says."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from audit_ledger.domain.errors import LedgerDownError, UncheckableError

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)

_REFUSALS = frozenset({"22", "23", "25", "42", "53", "54"})
"""SQLSTATE classes of statements that were not executed: bad data, constraint, read-only, denied, full, too large."""


@contextmanager
def driver_errors() -> Iterator[None]:
    """Turn a missing table into UncheckableError and any other driver error into LedgerDownError."""
    try:
        yield
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as cause:
        raise UncheckableError("the database has no ledger tables: start gridwarden on it once") from cause
    except DRIVER_ERRORS as cause:
        is_refusal = isinstance(cause, asyncpg.PostgresError) and (cause.sqlstate or "")[:2] in _REFUSALS
        raise LedgerDownError(type(cause).__name__, is_refusal=is_refusal) from cause
