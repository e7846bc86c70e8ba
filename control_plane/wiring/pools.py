"""One pool a role."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP, LEDGER_READER, LEDGER_WRITER

SIZES = ((APP, 16), (LEDGER_WRITER, 8), (LEDGER_READER, 6))
"""Connections: the houses share one pool, the ledger's writer and readers have their own roles."""


@dataclass(frozen=True, slots=True)
class Pools:
    """One pool a role."""

    app: asyncpg.Pool
    ledger_writer: asyncpg.Pool
    ledger_reader: asyncpg.Pool


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Pools]:
    """Yield the pools; they are closed, connections and all, on the way out."""
    async with contextlib.AsyncExitStack() as stack:
        pools = []
        for role, size in SIZES:
            pool = await open_pool(url, role, size=size)
            stack.callback(pool.terminate)
            pools.append(pool)
        yield Pools(*pools)
