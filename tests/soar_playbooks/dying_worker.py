"""A process that carries out playbook runs and kills itself (SIGKILL) at a named point; `none` lives until all is done.

    python dying_worker.py <database url> <playbook folder> <rounds> <point> ...

It forks one child a round and point, so that each dies like any process: nothing is flushed, nothing is released.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from shared_kernel.clock import SystemClock
from shared_kernel.events import Event, Receipt
from soar_playbooks.adapters.folders import PlaybookFolders
from soar_playbooks.domain.connector import ConnectorKind, Reconciled
from soar_playbooks.service import Responder
from soar_playbooks.store import PlaybookStore


class Fate:
    """Ends the process when the `nth` time comes that its point is reached."""

    def __init__(self, point: str, nth: int) -> None:
        self._point, self._left = point, nth

    def at(self, point: str) -> None:
        """Die here, if it is time."""
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class DurableLedger:
    """Keeps sealed events in a table."""

    def __init__(self, pool: asyncpg.Pool, fate: Fate) -> None:
        self._pool, self._fate = pool, fate

    async def record(self, event: Event) -> Receipt:
        """Keep one event."""
        action = event["event"]["action"]
        self._fate.at(f"before:{action}")
        await self._pool.execute("INSERT INTO crash.sealed VALUES ($1, $2)", action, orjson.dumps(event).decode())
        self._fate.at(f"after:{action}")
        return Receipt(0, b"")


class DurableConnector:
    """Takes effect at most once a key: the key and the effect are one transaction."""

    kind = ConnectorKind.IDEMPOTENT

    def __init__(self, name: str, pool: asyncpg.Pool, fate: Fate) -> None:
        self.name, self._pool, self._fate = name, pool, fate

    async def run(self, params: Mapping[str, str], *, idempotency_key: str) -> Mapping[str, Any]:
        """Write the key and the effect, once."""
        self._fate.at("before:effect")
        async with self._pool.acquire() as connection, connection.transaction():
            new = await connection.fetchval(
                "INSERT INTO crash.keys VALUES ($1) ON CONFLICT DO NOTHING RETURNING key", idempotency_key,
            )
            if new is not None:
                await connection.execute("INSERT INTO crash.effects VALUES ($1, $2)", self.name, params["account"])
        self._fate.at("after:effect")
        return {}

    async def reconcile(self, idempotency_key: str, params: Mapping[str, str]) -> Reconciled:  # noqa: ARG002 - the protocol's
        """Tell whether the key took effect."""
        known = await self._pool.fetchval("SELECT key FROM crash.keys WHERE key = $1", idempotency_key)
        return Reconciled.DONE if known else Reconciled.RETRY


async def _work(url: str, folder: Path, point: str, nth: int) -> None:
    pool, fate = await open_pool(url, APP, size=4), Fate(point, nth)
    connectors = {name: DurableConnector(name, pool, fate) for name in ("lock_account", "revoke_sessions")}
    responder = Responder(
        PlaybookStore.on(pool), PlaybookFolders([folder]), connectors,
        DurableLedger(pool, fate), SystemClock(), lease_s=0.2, concurrency=4,
    )
    work = asyncio.create_task(responder.run())
    while await pool.fetchval("SELECT count(*) FROM soar_playbooks.runs WHERE status = 'ready'"):  # noqa: ASYNC110 - the table is what tells
        await asyncio.sleep(0.05)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


def _one_life(url: str, folder: Path, point: str, nth: int) -> int:
    child = os.fork()
    if child == 0:
        asyncio.run(_work(url, folder, point, nth))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    """Print the exit code of each life, a line each."""
    url, folder, rounds, points = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    for one_round in range(rounds):
        for point in points:
            sys.stdout.write(f"exit {_one_life(url, folder, point, 1 + one_round % 4)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
