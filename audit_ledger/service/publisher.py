"""Publishes signed checkpoints: first in the database, then outside it, then as an entry that says so.

In that order a crash between the steps leaves the outside copy behind, never ahead, so it raises no false alarm.
When a checkpoint cannot be signed or kept (Vault is down, the disk is full), sealing goes on, one entry and the
metrics say so, and it is tried again until it is published.
"""

import asyncio
import base64
import contextlib
from typing import Any

import structlog

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.canonical import payload_of
from audit_ledger.domain.columns import columns_of
from audit_ledger.service import metrics
from audit_ledger.service.background import Background
from audit_ledger.service.ports import Signer
from audit_ledger.service.sequencer import Sequencer
from audit_ledger.store.writer import LedgerWriter
from shared_kernel.clock import Clock
from shared_kernel.errors import UnavailableError
from shared_kernel.events import security_event

log = structlog.get_logger()


class Publisher(Background):
    """Signs what the sequencer committed, every `every_s` seconds or `every_entries` entries, while there is news."""

    name = "ledger publisher"

    def __init__(  # noqa: PLR0913 - its sources, its two destinations, its pace
        self, sequencer: Sequencer, writer: LedgerWriter, folder: LedgerFolder, signer: Signer, clock: Clock, *,
        every_s: float, every_entries: int, retry_every_s: float,
    ) -> None:
        self._sequencer, self._writer, self._folder, self._signer = sequencer, writer, folder, signer
        self._clock, self._every_s, self._every_entries, self._retry_every_s = (
            clock, every_s, every_entries, retry_every_s)
        self._size = 0
        self._own = 0
        self._is_failing = False
        self._turn = asyncio.Lock()
        self._published = asyncio.Condition()
        self.latest: Checkpoint | None = None

    async def publish(self) -> Checkpoint:
        """Sign the tree as committed now and put it inside and outside the database."""
        async with self._turn:
            frontier = self._sequencer.frontier
            checkpoint = Checkpoint(self._signer.name, frontier.size, frontier.root)
            if frontier.size > self._size:
                await self._store(checkpoint)
            self._is_failing = False
            return checkpoint

    async def try_to_publish(self) -> bool:
        """Publish; when that is impossible now, raise the alarm and return False: the rhythm tries again."""
        try:
            await self.publish()
        except UnavailableError as cause:
            await self._alarm(cause)
            return False
        except Exception as cause:
            log.exception("checkpoint_failed")
            await self._alarm(UnavailableError(f"the checkpoint could not be published ({type(cause).__name__})"))
            return False
        return True

    async def _store(self, checkpoint: Checkpoint) -> None:
        note = (await self._signer.sign(checkpoint.to_text())).encode()
        await self._writer.store_checkpoint(checkpoint.size, self._clock.now_us(), note)
        await asyncio.to_thread(self._folder.keep, note)
        self._size, self._own = checkpoint.size, 0
        metrics.CHECKPOINT_SIZE.set(checkpoint.size)
        await self._tell(checkpoint)

    async def wait_beyond(self, size: int) -> Checkpoint:
        """Return the newest checkpoint as soon as it covers more than `size` entries."""
        async with self._published:
            while self.latest is None or self.latest.size <= size:
                await self._published.wait()
            return self.latest

    async def _tell(self, checkpoint: Checkpoint) -> None:
        async with self._published:
            self.latest = checkpoint
            self._published.notify_all()

    async def _run(self) -> None:
        while True:
            if self._is_failing:
                await asyncio.sleep(self._retry_every_s)
            else:
                await self._sequencer.wait_beyond(self._size + self._own, None)
                await self._sequencer.wait_beyond(self._size + self._every_entries, self._every_s)
            if self._sequencer.head.size > self._size + self._own and await self.try_to_publish():
                await self._announce()

    async def _announce(self) -> None:
        checkpoint = self.latest
        if checkpoint is None or checkpoint.size != self._size:
            return
        with contextlib.suppress(UnavailableError):
            await self._seal("checkpoint_published",
                             {"size": checkpoint.size, "root": base64.b64encode(checkpoint.root).decode()})
            self._own = 1  # the announcement itself is no news

    async def _alarm(self, cause: UnavailableError) -> None:
        metrics.CHECKPOINT_FAILURES.inc()
        log.error("checkpoint_not_published", reason=cause.detail)
        was_failing, self._is_failing = self._is_failing, True
        if not was_failing:
            with contextlib.suppress(UnavailableError):
                await self._seal("checkpoint_not_published", {"size": self._size}, failure=cause.detail)

    async def _seal(self, action: str, about: dict[str, Any], failure: str | None = None) -> None:
        event = security_event(
            self._clock, action, category="configuration", types=("info",), reason=failure,
            outcome="failure" if failure else "success", grid={"ledger": about})
        await self._sequencer.append(payload_of(event), columns_of(event))
