"""A ledger long enough to prune, what prunes it, and what is left afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson

from audit_ledger.service import Ledger
from audit_ledger.service.archive.retention import Retention
from audit_ledger.store.pruner import LedgerPruner, Prunes
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_PRUNER
from tests.audit_ledger.rig import Rig

SIZE = 600


async def full(rig: Rig, size: int = SIZE) -> None:
    """Fill a ledger fast."""
    ledger = rig.ledger()
    await ledger.start()
    while (missing := size - ledger.head().size) > 0:
        await asyncio.gather(*(ledger.record(rig.event(number)) for number in range(missing)))
    await ledger.stop()


@asynccontextmanager
async def retaining(rig: Rig, **options: Any) -> AsyncIterator[Retention]:
    """A leading ledger and what prunes it."""
    ledger = rig.ledger()
    await ledger.start()
    pool = await open_pool(rig.url, LEDGER_PRUNER, size=1)
    try:
        yield retention_of(rig, ledger, pool, **options)
    finally:
        pool.terminate()
        await ledger.stop()


def retention_of(rig: Rig, ledger: Ledger, pool: asyncpg.Pool, **options: Any) -> Retention:
    """Put the parts together."""
    stream = rig.signer.name
    parts: dict[str, Any] = {"folder": rig.folder, "key": rig.signer.verifier, "clock": rig.clock} | options
    return Retention(
        ledger, rig.reader, Prunes(rig.reader_pool, stream), LedgerPruner(pool, stream, batch=100), **parts)


async def state(rig: Rig) -> tuple[int, list[int], list[int]]:
    """Return the first entry, the marks, and the sizes that are sealed as pruned."""
    prunes = Prunes(rig.reader_pool, rig.signer.name)
    sealed = await rig.reader.find({"action": "ledger_pruned"}, None, 100)
    return (await prunes.first_seq(), [mark.size for mark in await prunes.marks()],
            [orjson.loads(entry.payload)["grid"]["retention"]["size"] for entry in sealed][::-1])


async def forge(rig: Rig, root: bytes) -> None:
    """Write a mark as the database's owner."""
    connection = await asyncpg.connect(rig.url)
    await connection.execute("INSERT INTO audit_ledger.prunes VALUES ($1, 512, $2, sha256(''), 1)",
                             rig.signer.name, root)
    await connection.close()
