"""Connection pools, one a role. Times are UTC, statements have a deadline, jsonb stays text until a store asks."""

import asyncio
import contextlib
from typing import Any

import asyncpg
from asyncpg.transaction import Transaction

from control_plane.database.roles import LEDGER_WRITER
from shared_kernel.errors import UnavailableError

STATEMENT_TIMEOUT_MS = 15_000
COMMAND_TIMEOUT_S = 20
"""Longer than the server's own limit: only a server that hangs is met by it."""
RELEASE_TIMEOUT_S = 2.0
"""How long a connection in mid-cancellation may take to come back; then it is thrown away."""

_GONE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


class _Transaction(Transaction):  # type: ignore[misc]  # asyncpg is untyped
    """A transaction whose cancelled caller stays cancelled, also where the server is too far gone to roll it back."""

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, asyncio.CancelledError):
            await super().__aexit__(kind, error, trace)
            return
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT_S):
                await super().__aexit__(kind, error, trace)
        except _GONE:
            self._connection.terminate()  # the server rolls back what nobody will commit


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg is untyped
    """A connection with such transactions."""

    def transaction(self, *, isolation: str | None = None, readonly: bool = False,
                    deferrable: bool = False) -> _Transaction:
        self._check_open()
        return _Transaction(self, isolation, readonly, deferrable)


class _Pool(asyncpg.Pool):  # type: ignore[misc]  # asyncpg is untyped
    """A pool that a hanging server cannot hold: a cancelled caller waits for the cancellation, by default forever."""

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:  # noqa: ANN401, ASYNC109 - asyncpg's signature
        """Take a connection back; one that cannot come back is thrown away, and what its caller did stands.

        Raised here, the trouble would take the place of a cancellation: loops that wait outages out would go on.
        """
        with contextlib.suppress(*_GONE):
            await super().release(connection, timeout=timeout or RELEASE_TIMEOUT_S)


async def open_pool(url: str, role: str, *, size: int) -> asyncpg.Pool:
    """Return a pool whose connections act as `role`; raise UnavailableError when the server does not answer.

    Only the ledger's writer keeps state in a session (its advisory lock). The others spare the round trip that
    would clean one up after every use; an open transaction is rolled back all the same.
    """
    try:
        return await _Pool(
            url, min_size=1, max_size=size, max_queries=50_000, max_inactive_connection_lifetime=300.0,
            command_timeout=COMMAND_TIMEOUT_S, timeout=10, setup=None, init=None, loop=None,
            connection_class=_Connection, record_class=asyncpg.Record,
            reset=None if role == LEDGER_WRITER else _nothing_to_clean,
            server_settings={
                "role": role, "timezone": "UTC", "application_name": role,
                "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            },
        )
    except asyncpg.PostgresError as cause:
        raise UnavailableError(f"PostgreSQL refused a connection as {role} ({cause}): check DATABASE_URL, and that its "
                               f"user is a member of {role}") from cause
    except (OSError, TimeoutError) as cause:
        raise UnavailableError(f"PostgreSQL does not answer ({type(cause).__name__}): check DATABASE_URL") from cause


async def open_connection(url: str, role: str) -> Any:  # noqa: ANN401 - asyncpg is untyped
    """Return one connection that acts as `role`, for who must keep it: it is in no pool and has no statement limit."""
    return await asyncpg.connect(
        url, timeout=10, command_timeout=COMMAND_TIMEOUT_S,
        server_settings={"role": role, "timezone": "UTC", "application_name": role})


async def _nothing_to_clean(_connection: Any) -> None:  # noqa: ANN401 - asyncpg is untyped
    """Leave the session as it is."""
