"""Both copies on real stores, a follower for each, and an attacker for each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit_ledger.adapters.mongo_mirror import MongoMirror
from audit_ledger.adapters.tile_folder import TileFolder
from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.service import Ledger
from audit_ledger.service.copies.check import CopyReport, verify_copy
from audit_ledger.service.copies.mirror import Mirror
from audit_ledger.service.copies.port import Copy
from audit_ledger.service.copies.status import State
from tests.audit_ledger.rig import Rig

BIG = "x" * 60_000
"""With it a payload leaves no room for its header: its digest goes in."""


@dataclass(slots=True)
class Fleet:
    """A rig with its copies."""

    rig: Rig
    tiles: TileFolder
    mongo: MongoMirror
    folder: Path

    @property
    def copies(self) -> tuple[Copy, Copy]:
        """Both."""
        return self.tiles, self.mongo

    def copy(self, name: str) -> Copy:
        """The one of that name."""
        return self.tiles if name == "tiles" else self.mongo

    def mirror(self, copy: Copy, ledger: Ledger) -> Mirror:
        """A follower that does not run."""
        return Mirror(copy, ledger, self.rig.reader, key=self.rig.signer.verifier, clock=self.rig.clock)

    async def verify(self, copy: Copy) -> CopyReport:
        """Verify against the newest checkpoint."""
        source = self.mirror(copy, self.rig.ledger()).source
        _, newest = await source.checkpoint()
        return await verify_copy(copy, newest, self.rig.signer.verifier)

    async def seal(self, ledger: Ledger, count: int, **sections: Any) -> None:
        """Seal so many events and publish."""
        start = ledger.head().size
        for at in range(start, start + count, 1_000):
            await asyncio.gather(*(ledger.record(self.rig.event(number, **sections))
                                   for number in range(at, min(at + 1_000, start + count))))
        await ledger.publish_checkpoint()

    async def copied(self, count: int, *copies: Copy) -> None:
        """Fill a ledger and its copies, and stop."""
        ledger = self.rig.ledger()
        await ledger.start()
        await self.seal(ledger, count - ledger.head().size)
        async with self.following(ledger, *copies) as mirrors:
            await caught_up(*mirrors)
        await ledger.stop()

    @asynccontextmanager
    async def following(self, ledger: Ledger, *copies: Copy) -> AsyncIterator[list[Mirror]]:
        """Run followers."""
        mirrors = [self.mirror(copy, ledger) for copy in copies or self.copies]
        tasks = [asyncio.create_task(mirror.run()) for mirror in mirrors]
        try:
            yield mirrors
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def caught_up(*mirrors: Mirror) -> None:
    """Wait until nothing is left to copy."""
    for mirror in mirrors:
        await until(lambda: _has_caught_up(mirror))  # noqa: B023 - awaited before the next


async def _has_caught_up(mirror: Mirror) -> bool:
    status = await mirror.status()
    return status.state is State.FOLLOWING and status.backlog == 0


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Wait for a condition."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not await holds():  # noqa: ASYNC110 - the condition is another process'
                await asyncio.sleep(0.02)
            return
    assert await holds(), "waited in vain"


def found(report: CopyReport) -> list[tuple[int, int]]:
    """Return the ranges of the findings."""
    return [(each.seq, each.last_seq) for each in report.findings]


async def is_in(mirror: Mirror, state: State) -> bool:
    """Return whether the follower is in that state."""
    return (await mirror.status()).state is state


def stream(fleet: Fleet) -> str:
    """The log's name."""
    return fleet.rig.signer.name


@asynccontextmanager
async def copied_and_leading(fleet: Fleet, copy: Copy, size: int) -> AsyncIterator[Ledger]:
    """So many entries are published and copied; the ledger goes on."""
    ledger = fleet.rig.ledger()
    await ledger.start()
    await fleet.seal(ledger, size - 1)
    async with fleet.following(ledger, copy) as mirrors:
        await caught_up(*mirrors)
    yield ledger
    await ledger.stop()


def flip(path: Path, at: int) -> None:
    """Turn one bit."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def foreign_note(origin: str, size: int) -> bytes:
    """A checkpoint under a key that is not the log's."""
    return Checkpoint(origin, size, bytes(32)).signed_by(NoteSigner(origin, bytes(range(32))))
