"""Timestamping: has the newest checkpoint stamped by an authority, at most once in a while; sealing never waits for it.

The stamp bounds the past: whoever steals the key later cannot sign a history that was already stamped otherwise.
"""

import asyncio
import contextlib
from dataclasses import dataclass

import structlog

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.adapters.timestamping import TimestampAuthority
from audit_ledger.domain.c2sp.checkpoint import Checkpoint, open_checkpoint
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.domain.errors import ForkedLedgerError
from audit_ledger.service import metrics
from audit_ledger.service.ledger import Ledger
from audit_ledger.store.timestamps import Timestamps
from shared_kernel.clock import Clock
from shared_kernel.errors import GridwardenError, UnavailableError
from shared_kernel.events import security_event

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TimestampingStatus:
    """The newest checkpoint stamped (0 when none is), and why the last attempt failed."""

    authority: str
    size: int
    at_us: int
    failure: str | None


class Timestamping:
    """Follows a ledger's checkpoints; run `run` in the background for as long as the ledger leads."""

    def __init__(  # noqa: PLR0913 - the composition root names each part
        self, ledger: Ledger, *, key: VerifierKey, authority: TimestampAuthority, kept: Timestamps,
        folder: LedgerFolder, clock: Clock, every_s: float = 3_600.0, retry_s: float = 60.0,
    ) -> None:
        self._ledger, self._key, self._authority, self._kept = ledger, key, authority, kept
        self._folder, self._clock, self._every_s, self._retry_s = folder, clock, every_s, retry_s
        self._size = self._at_us = 0
        self._failure: str | None = None

    def status(self) -> TimestampingStatus:
        """Return what is known now."""
        return TimestampingStatus(self._authority.name, self._size, self._at_us, self._failure)

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            try:
                await self._remember()
                await asyncio.sleep(self._due_in_s())
                await self._stamp(await self._ledger.wait_published(self._size))
            except GridwardenError as cause:
                await self._fail(cause)
                await asyncio.sleep(self._retry_s)

    async def _remember(self) -> None:
        if (last := await self._kept.last(self._authority.name)) is not None:
            self._size, self._at_us = last

    def _due_in_s(self) -> float:
        """A restart does not ask again before its time; nor does a clock that went back wait longer than usual."""
        return min(self._every_s, max(0.0, self._every_s - (self._clock.now_us() - self._at_us) / 1_000_000))

    async def _stamp(self, checkpoint: Checkpoint) -> None:
        note = await self._ledger.checkpoint(checkpoint.size)
        if open_checkpoint(note, self._key.name, self._key) != checkpoint:
            raise ForkedLedgerError(self._key.name, f"its checkpoint of {checkpoint.size} entries is not ours")
        stamp = await self._authority.stamp(note, self._clock.now_us())
        await self._kept.keep(checkpoint.size, self._authority.name, stamp.at_us, stamp.answer)
        await asyncio.to_thread(self._folder.keep_timestamp, checkpoint.size, stamp.answer)
        self._size, self._at_us, self._failure = checkpoint.size, stamp.at_us, None
        metrics.TIMESTAMP_SIZE.set(checkpoint.size)
        log.info("checkpoint_timestamped", size=checkpoint.size, authority=self._authority.name)
        await self._seal("checkpoint_timestamped", stamp.at_us)

    async def _fail(self, cause: GridwardenError) -> None:
        """Make a failure visible; an entry says so once for each reason."""
        metrics.TIMESTAMP_FAILURES.inc()
        log.error("checkpoint_not_timestamped", authority=self._authority.name, reason=cause.detail)
        before, self._failure = self._failure, cause.detail
        if before != self._failure:
            await self._seal("checkpoint_not_timestamped", self._at_us, failure=cause.detail)

    async def _seal(self, action: str, at_us: int, failure: str | None = None) -> None:
        event = security_event(
            self._clock, action, category="configuration", types=("info",), reason=failure,
            outcome="failure" if failure else "success",
            grid={"ledger": {"size": self._size, "authority": self._authority.name, "at_us": at_us}})
        with contextlib.suppress(UnavailableError):
            await self._ledger.record(event)
