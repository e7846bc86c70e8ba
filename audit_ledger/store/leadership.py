"""Who may write a stream: the holder of an advisory lock, on lease.

The lock lives as long as the connection that took it. PostgreSQL itself ends that connection when it has not heard of
its leader for the lease, and every commit goes through that very connection: a paused process has lost the lead when
it wakes, and cannot write.

While COPY waits for its sender PostgreSQL looks at none of its timeouts (seen on 18); who wants the lead ends a holder
that is in the midst of one statement for longer than the lease.
"""

import contextlib
from typing import Any

import asyncpg

_LOCK = "hashtextextended('gridwarden.ledger.' || $1, 0)"
_TAKE = f"SELECT pg_try_advisory_lock({_LOCK})"
_KEY_OF_LOCK = ("held.locktype = 'advisory' AND held.granted AND held.objsubid = 1 "
                f"AND (held.classid::bigint << 32) | held.objid::bigint = {_LOCK}")
_HOLDS = f"SELECT count(*) FROM pg_locks AS held WHERE held.pid = pg_backend_pid() AND {_KEY_OF_LOCK}"  # noqa: S608 - constants
_END_STALLED = (
    "SELECT count(pg_terminate_backend(held.pid)) FROM pg_locks AS held "  # noqa: S608 - constants
    "JOIN pg_stat_activity AS holder USING (pid) "
    "JOIN pg_database AS here ON here.oid = held.database AND here.datname = current_database() "
    f"WHERE {_KEY_OF_LOCK} AND holder.state = 'active' "
    "AND holder.state_change < clock_timestamp() - make_interval(secs => $2)")
_SET = "SELECT set_config(name, $2, false) FROM pg_settings WHERE name = ANY($1)"
"""Sets what this version of PostgreSQL knows: `transaction_timeout` came with 17."""

_BE_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
"""Whatever a database or a role was told: an entry is acknowledged when it is on disk."""

_IN_MS = ("idle_session_timeout", "idle_in_transaction_session_timeout", "transaction_timeout", "tcp_user_timeout")
_IN_S = ("tcp_keepalives_idle", "tcp_keepalives_interval")
_PROBES = ("tcp_keepalives_count",)


async def take_lead(connection: Any, stream: str, lease_s: float) -> bool:  # noqa: ANN401 - asyncpg is untyped
    """Take the lock for as long as the connection lives, and give the connection its lease; False when it is taken."""
    if not await connection.fetchval(_TAKE, stream):
        await _end_stalled(connection, stream, lease_s)
        return False
    for names, value in ((_IN_MS, lease_s * 1000), (_IN_S, lease_s / 3), (_PROBES, 2)):
        await connection.execute(_SET, names, str(max(1, round(value))))
    await connection.execute(_BE_DURABLE)
    return True


async def still_leads(connection: Any, stream: str) -> bool:  # noqa: ANN401 - asyncpg is untyped
    """Tell whether this session holds the lock."""
    return bool(await connection.fetchval(_HOLDS, stream))


async def _end_stalled(connection: Any, stream: str, lease_s: float) -> None:  # noqa: ANN401 - asyncpg is untyped
    """End a holder that hangs in a statement: as the user who logged in, who may end sessions of their own."""
    with contextlib.suppress(asyncpg.InsufficientPrivilegeError):  # somebody else's session: an operator must end it
        async with connection.transaction():
            await connection.execute("SET LOCAL ROLE NONE")
            await connection.execute(_END_STALLED, stream, lease_s)
