"""The follower of one copy: brings it up to every published checkpoint, and never overwrites what it finds there.

1. what the copy claims must be a checkpoint of ours, not beyond the newest, with the root the ledger has at that size
2. entries from there on, each page proven to be under a signed checkpoint     3. then that checkpoint, as its claim

A copy that is down is waited for, the ledger goes on. One that holds more, or other, is left as it is: an alarm, and
an entry `copy_diverged`. What a crash left beyond the claim is added again, which changes nothing.
"""

import asyncio
import contextlib
from time import perf_counter
from typing import Any, Protocol

import structlog

from audit_ledger.domain.archive.copies import CopyDivergedError, CopyDownError, Divergence
from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.domain.errors import UncheckableError
from audit_ledger.service import metrics
from audit_ledger.service.copies.port import Copy
from audit_ledger.service.copies.source import ProvenEntries
from audit_ledger.service.copies.status import State, Status, claim, refuse_more
from audit_ledger.store.reader import LedgerReader
from shared_kernel.clock import Clock
from shared_kernel.errors import GridwardenError, NotFoundError, UnavailableError
from shared_kernel.events import Event, Receipt, SealedEvent, security_event

log = structlog.get_logger()

STEP = 1_024
"""How far the next checkpoint to stop at may lie: what a crash makes the follower do again."""
PAGE = 512
_REST = 2
"""Rest twice as long as a page took: a copy may be late, and its disk is often the one that sealing waits for."""
_FIRST_PAUSE_S = 0.1
_LAST_PAUSE_S = 5.0
_REMEMBERED = 100


class FollowedLedger(Protocol):
    """What a follower asks of the Ledger."""

    async def wait_published(self, beyond: int) -> Checkpoint:
        """Return the newest checkpoint as soon as one covers more than `beyond` entries."""

    async def record(self, event: Event) -> Receipt:
        """Seal one event."""

    async def find(self, *, action: str | None = None, limit: int = 100) -> list[SealedEvent]:
        """Return the newest events of that action."""


class Mirror:
    """Follows with one copy; `turn` is held while follower or repair change it, `wake` ends the follower's pause."""

    def __init__(
        self, copy: Copy, ledger: FollowedLedger, reader: LedgerReader, *, key: VerifierKey, clock: Clock,
    ) -> None:
        self.copy, self.turn, self.wake = copy, asyncio.Lock(), asyncio.Event()
        self.source = ProvenEntries(reader, key)
        self._ledger, self._clock = ledger, clock
        self._size, self._published = 0, 0
        self._state, self._reason = State.STARTING, ""
        self._divergence: Divergence | None = None
        self._is_sealed = False

    async def run(self) -> None:
        """Follow until cancelled."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                await refuse_more(self.copy, (await self.source.checkpoint())[1])
                while True:
                    await self._follow()
                    pause = _FIRST_PAUSE_S
            except CopyDownError as cause:
                self._enter(State.DOWN, cause)
            except CopyDivergedError as cause:
                await self._alarm(cause)
            except GridwardenError as cause:
                self._enter(State.STOPPED, cause)
            except Exception as cause:
                log.exception("copy_follower_failed", copy=self.copy.name)
                self._enter(State.STOPPED, UnavailableError(f"its follower failed: {type(cause).__name__}"))
            self._measure(await self._ledger.wait_published(-1))
            await self._rest(pause)
            pause = min(pause * 2, _LAST_PAUSE_S)

    async def status(self) -> Status:
        """Return how the copy is; the backlog is that of now."""
        try:
            self._measure((await self.source.checkpoint())[1])
        except (NotFoundError, UnavailableError) as cause:
            self._reason = self._reason or cause.detail
        return Status(self.copy.name, self._state, self._size, self._published, self._reason or None, self._divergence)

    async def _rest(self, pause_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self.wake.wait()
        self.wake.clear()

    async def _follow(self) -> None:
        """Wait for news, and bring the copy up to it."""
        told = await self._ledger.wait_published(self._size if self._state is State.FOLLOWING else -1)
        async with self.turn:
            _, newest = await self.source.checkpoint()
            if newest.size < told.size:
                raise UncheckableError(f"the published checkpoint of size {told.size} is gone from the database: "
                                       "run `gridwarden ledger verify`")
            size = await claim(self.copy, self.source, newest)
            if size < self._size:
                log.warning("copy_went_back", copy=self.copy.name, size=size, was=self._size)
            self._size = size
            while self._size < newest.size:
                self._measure(newest)
                await self._advance(newest)
            self._measure(newest)
        self._enter(State.FOLLOWING)

    async def _advance(self, newest: Checkpoint) -> None:
        """Bring the copy up to the next checkpoint worth stopping at."""
        note, target = await self.source.checkpoint(self._size + STEP)
        if target.size <= self._size:
            note, target = await self.source.checkpoint(newest.size)
        for start in range(self._size - self._size % self.copy.granule, target.size, PAGE):
            began = perf_counter()
            await self.copy.add(await self.source.entries(start, min(start + PAGE, target.size), target))
            await asyncio.sleep(_REST * (perf_counter() - began))
        await self.copy.publish(note, target)
        self._size = target.size

    def _measure(self, newest: Checkpoint) -> None:
        self._published = max(newest.size, self._size)
        metrics.COPY_BACKLOG.labels(self.copy.name).set(self._published - self._size)

    def _enter(self, state: State, cause: GridwardenError | None = None) -> None:
        if state is not self._state:
            say = log.warning if cause else log.info
            say("copy_state", copy=self.copy.name, state=str(state), size=self._size,
                reason=cause.detail if cause else None)
        self._state, self._reason = state, cause.detail if cause else ""
        if state is State.FOLLOWING:
            self._divergence, self._is_sealed = None, False
            metrics.COPY_DIVERGED.labels(self.copy.name).set(0)

    async def _alarm(self, cause: CopyDivergedError) -> None:
        """Say it in the log, in the status, and once in the ledger."""
        if cause.divergence != self._divergence:
            log.error("copy_diverged", copy=self.copy.name, reason=cause.detail)
            self._is_sealed = False
        self._enter(State.DIVERGED, cause)
        self._divergence = cause.divergence
        metrics.COPY_DIVERGED.labels(self.copy.name).set(1)
        try:
            if not self._is_sealed and not await self._is_known(cause.divergence):
                await self._ledger.record(security_event(
                    self._clock, "copy_diverged", category="configuration", outcome="failure",
                    grid={"ledger": {"copy": self.copy.name, "divergence": cause.divergence.to_json()}}))
            self._is_sealed = True
        except GridwardenError as refusal:
            log.warning("copy_diverged_not_sealed", copy=self.copy.name, reason=refusal.detail)

    async def _is_known(self, divergence: Divergence) -> bool:
        """Tell whether the ledger's newest word on this copy is this very divergence, sealed before a restart."""
        said = [each for action in ("copy_diverged", "copy_repaired")
                for each in await self._ledger.find(action=action, limit=_REMEMBERED)]
        ours = [each for each in said if _of_ledger(each.event).get("copy") == self.copy.name]
        last = max(ours, key=lambda each: each.seq, default=None)
        return last is not None and _of_ledger(last.event).get("divergence") == divergence.to_json()


def _of_ledger(event: Event) -> dict[str, Any]:
    found = event.get("grid", {}).get("ledger", {})
    return found if isinstance(found, dict) else {}
