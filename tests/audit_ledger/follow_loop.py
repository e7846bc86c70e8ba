"""Followers that are killed: forks one after the other, each lives some milliseconds. Run by test_mirror_crash.py.

Prints a line `killed <n>` after each (the killed leave half of one), and `alarm` if one ever wanted to seal that its
copy diverged.
"""

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from audit_ledger.adapters.mongo_mirror import MongoMirror
from audit_ledger.adapters.tile_folder import TileFolder
from audit_ledger.domain.c2sp.checkpoint import Checkpoint, read_unverified
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.service.copies.mirror import Mirror
from audit_ledger.store.reader import LedgerReader
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_READER
from shared_kernel.clock import SystemClock
from shared_kernel.events import Event, Receipt, SealedEvent


class LedgerElsewhere:
    """The ledger of another process, seen through its database."""

    def __init__(self, reader: LedgerReader) -> None:
        self._reader = reader

    async def wait_published(self, beyond: int) -> Checkpoint:
        """Look every few milliseconds."""
        while True:
            note = await self._reader.checkpoint_before(2**62)
            if note and (found := read_unverified(note)).size > beyond:
                return found
            await asyncio.sleep(0.005)

    async def record(self, event: Event) -> Receipt:
        """Say that there was an alarm."""
        print("alarm", event["grid"], flush=True)  # noqa: T201 - the test reads it
        return Receipt(0, b"")

    async def find(self, *, action: str | None = None, limit: int = 100) -> list[SealedEvent]:  # noqa: ARG002 - a port
        """Remember nothing."""
        return []


async def follow(url: str, key: VerifierKey, folder: str, mongo: tuple[str, int], started: int) -> None:
    """Follow with both copies until killed."""
    reader = LedgerReader(await open_pool(url, LEDGER_READER, size=3), key.name)
    copies: Any = (TileFolder(Path(folder), key.name),
                   MongoMirror.connect(host=mongo[0], port=mongo[1], database="test", stream=key.name))
    os.write(started, b"1")
    await asyncio.gather(*(Mirror(copy, LedgerElsewhere(reader), reader, key=key, clock=SystemClock()).run()
                           for copy in copies))


def main() -> None:
    """Fork, wait a random while, kill."""
    url, key, folder, host, port, kills = sys.argv[1:]
    chance = random.Random(4)  # noqa: S311 - when to kill is no secret
    for number in range(1, int(kills) + 1):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            asyncio.run(follow(url, VerifierKey.parse(key), folder, (host, int(port)), writing))
            os._exit(1)
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        time.sleep(chance.uniform(0.01, 0.3))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        print(f"\nkilled {number} {os.waitstatus_to_exitcode(status)}", flush=True)  # noqa: T201 - the test reads it


main()
