"""Connection pools, one a role. Times are UTC, statements have a deadline, jsonb stays text until a store asks."""

from typing import Any

import asyncpg

from control_plane.database.roles import LEDGER_WRITER
from shared_kernel.errors import UnavailableError

STATEMENT_TIMEOUT_MS = 30_000


async def open_pool(url: str, role: str, *, size: int) -> asyncpg.Pool:
    """Return a pool whose connections act as `role`; raise UnavailableError when the server does not answer.

    Only the ledger's writer keeps state in a session (its advisory lock). The others spare the round trip that
    would clean one up after every use; an open transaction is rolled back all the same.
    """
    try:
        return await asyncpg.create_pool(
            url, min_size=1, max_size=size, command_timeout=60, timeout=10,
            reset=None if role == LEDGER_WRITER else _nothing_to_clean,
            server_settings={
                "role": role, "timezone": "UTC", "application_name": role,
                "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            },
        )
    except (OSError, TimeoutError, asyncpg.PostgresError) as cause:
        raise UnavailableError(f"PostgreSQL does not answer ({type(cause).__name__}): check DATABASE_URL") from cause


async def _nothing_to_clean(_connection: Any) -> None:  # noqa: ANN401 - asyncpg is untyped
    """Leave the session as it is."""
