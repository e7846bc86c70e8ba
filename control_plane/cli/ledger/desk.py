"""An auditor's desk: the ledger to read, and what is known of it outside the database. No running gateway is needed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import asyncpg

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.domain.errors import UncheckableError
from audit_ledger.store.reader import LedgerReader
from control_plane.cli.connection import database
from control_plane.config import load_settings
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_READER
from control_plane.home import Home

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Desk:
    """`url` is the database owner's; `home` holds the key and the checkpoints, if this machine has them."""

    pool: asyncpg.Pool
    reader: LedgerReader
    key: VerifierKey | None
    files: LedgerFolder | None
    url: str
    home: Home


def at_desk(
    home: Path | None, url: str | None, work: Callable[[Desk], Awaitable[_Answer]], *, key: VerifierKey | None = None,
) -> _Answer:
    """Do the work with a reader's rights on the database of a home or a URL; `key` serves where the home has none."""
    place = Home(load_settings(home=home, database_url=url).home.resolve())

    async def run(owner: str) -> _Answer:
        async with _desk(owner, place, key) as desk:
            return await work(desk)

    with database(home, url) as owner:
        return asyncio.run(run(owner))


@contextlib.asynccontextmanager
async def _desk(url: str, home: Home, brought: VerifierKey | None) -> AsyncIterator[Desk]:
    """The stream is the key's; without a key it is the database's only one, and nothing is anchored."""
    files = LedgerFolder(keys=home.keys, checkpoints=home.checkpoints)
    pool = await open_pool(url, LEDGER_READER, size=2)
    try:
        own = files.verifier()
        key = own or brought
        streams = [key.name] if key else await LedgerReader(pool, "").streams()
        if len(streams) != 1:
            raise UncheckableError("the database has no ledger, or several and this home has no key to tell which")
        yield Desk(pool, LedgerReader(pool, streams[0], url), key, files if own else None, url, home)
    finally:
        pool.terminate()
