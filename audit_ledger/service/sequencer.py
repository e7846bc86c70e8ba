"""The single writer: natural group commit.

Whatever queued while the previous commit ran is the next batch; nobody waits for a timer. A receipt is given only
after its commit. After any failure the head is read again from the database (a commit may have persisted although
its answer was lost) before the next entry is sealed on it.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import structlog

from audit_ledger.domain.columns import Columns
from audit_ledger.domain.entry import hasher
from audit_ledger.domain.errors import (
    AnotherSequencerError,
    ForkedLedgerError,
    LedgerDownError,
    LedgerFullError,
    LedgerStoppedError,
)
from audit_ledger.domain.head import Head
from audit_ledger.domain.merkle import Frontier, Subtree
from audit_ledger.service import metrics
from audit_ledger.service.prover import Prover
from audit_ledger.store.writer import LedgerWriter
from shared_kernel.clock import Clock
from shared_kernel.errors import UnavailableError
from shared_kernel.events import Receipt

log = structlog.get_logger()

MAX_BATCH_BYTES = 8_000_000
_FIRST_PAUSE_S = 0.05
_LAST_PAUSE_S = 1.0


@dataclass(slots=True)
class Pending:
    """A record that waits for its commit."""

    payload: bytes
    columns: Columns
    receipt: asyncio.Future[Receipt]


@dataclass(slots=True)
class Batch:
    """Seals records one after the other while they stream to the database."""

    stream: str
    head: Head
    frontier: Frontier
    at_us: int
    records: Sequence[Pending]
    hashes: list[bytes] = field(default_factory=list)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of the entries, hashing each on the way."""
        entry_hash, previous, stream, at_us = hasher(self.stream), self.head.entry_hash, self.stream, self.at_us
        for seq, record in enumerate(self.records, start=self.head.size):
            found = entry_hash(previous, seq, at_us, record.payload)
            self.hashes.append(found)
            yield (stream, seq, at_us, previous, found, record.payload, *record.columns)
            previous = found

    def sealed(self) -> tuple[Head, list[tuple[Subtree, bytes]]]:
        """Return the new head and the subtrees completed, once all rows are drained."""
        subtrees = self.frontier.extend(self.hashes)
        return Head(self.head.size + len(self.hashes), self.hashes[-1]), subtrees


class Sequencer:
    """Gives every record its place, in the order in which they came."""

    def __init__(  # noqa: PLR0913 - its three partners and its three bounds
        self, writer: LedgerWriter, prover: Prover, clock: Clock, *,
        queue_limit: int = 20_000, batch_limit: int = 4_000, patience_s: float = 5.0,
    ) -> None:
        self._writer, self._prover, self._clock = writer, prover, clock
        self._queue_limit, self._batch_limit, self._patience_s = queue_limit, batch_limit, patience_s
        self._queue: deque[Pending] = deque()
        self._work = asyncio.Event()
        self._grown = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._refusal: UnavailableError | None = LedgerStoppedError()
        self._is_draining = False
        self.head = Head()
        self.frontier = Frontier()

    async def start(self) -> None:
        """Take the lead; AnotherSequencerError when another process keeps it longer than our patience."""
        await self._lead()
        self._refusal, self._is_draining = None, False
        self._task = asyncio.create_task(self._run(), name="ledger sequencer")

    async def stop(self) -> None:
        """Refuse new records, commit what waits, give up the lead."""
        if self._task is None:
            return
        self._refusal = self._refusal or LedgerStoppedError()
        self._is_draining = True
        self._work.set()
        await self._task
        self._task = None
        await self._writer.release()

    @property
    def refusal(self) -> UnavailableError | None:
        """Why records are refused now; None while they are taken."""
        return self._refusal

    async def append(self, payload: bytes, columns: Columns) -> Receipt:
        """Return the receipt once the entry is durable; raise an UnavailableError otherwise."""
        return await self.enqueue(payload, columns)

    def enqueue(self, payload: bytes, columns: Columns) -> asyncio.Future[Receipt]:
        """Queue a record and return the promise of its receipt."""
        if self._refusal is not None:
            raise self._refusal.with_traceback(None)
        if len(self._queue) >= self._queue_limit:
            metrics.REFUSED.inc()
            raise LedgerFullError(self._queue_limit)
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._queue.append(Pending(payload, columns, receipt))
        self._work.set()
        return receipt

    async def wait_beyond(self, seq: int, timeout_s: float | None) -> bool:
        """Return True as soon as the ledger holds an entry at position `seq`, False after the timeout."""
        if self.head.size > seq:
            return True
        try:
            async with asyncio.timeout(timeout_s), self._grown:
                await self._grown.wait_for(lambda: self.head.size > seq)
        except TimeoutError:
            return False
        return True

    async def _run(self) -> None:
        while self._queue or not self._is_draining:
            if not self._queue:
                self._work.clear()
                await self._work.wait()
                continue
            batch = self._take()
            try:
                await self._commit(batch)
            except UnavailableError as cause:
                await self._suffer(batch, cause)
            except Exception as cause:
                log.exception("ledger_sequencer_failed")
                await self._suffer(batch, LedgerDownError(type(cause).__name__))

    def _take(self) -> list[Pending]:
        taken: list[Pending] = []
        size = 0
        while self._queue and len(taken) < self._batch_limit and size < MAX_BATCH_BYTES:
            record = self._queue.popleft()
            size += len(record.payload)
            taken.append(record)
        return taken

    async def _commit(self, records: list[Pending]) -> None:
        began = perf_counter()
        batch = Batch(self._writer.stream, self.head, self.frontier.copy(), self._clock.now_us(), records)
        head, _ = await self._writer.append(self.head, batch.rows(), batch.sealed)
        for seq, (record, found) in enumerate(zip(records, batch.hashes, strict=True), start=self.head.size):
            if not record.receipt.done():
                record.receipt.set_result(Receipt(seq, found))
        self.head, self.frontier = head, batch.frontier
        metrics.ENTRIES.inc(len(records))
        metrics.COMMIT_SECONDS.observe(perf_counter() - began)
        async with self._grown:
            self._grown.notify_all()

    async def _suffer(self, batch: list[Pending], cause: UnavailableError) -> None:
        """Tell everybody who waits, then find the way back; a fork has no way back."""
        metrics.FAILURES.inc()
        log.error("ledger_cannot_seal", reason=cause.detail, waiting=len(batch) + len(self._queue))
        self._refuse_all(batch, cause)
        if isinstance(cause, ForkedLedgerError):
            await self._writer.release()
        else:
            await self._recover()

    def _refuse_all(self, batch: Sequence[Pending], cause: UnavailableError) -> None:
        self._refusal = cause
        for record in (*batch, *self._queue):
            if not record.receipt.done():
                record.receipt.set_exception(cause)
        self._queue.clear()

    async def _recover(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._is_draining:
            try:
                await self._lead()
            except (AnotherSequencerError, ForkedLedgerError) as cause:
                self._refusal = cause
                log.exception("ledger_lead_lost", reason=cause.detail)
                return
            except UnavailableError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LAST_PAUSE_S)
            except Exception:
                log.exception("ledger_recovery_failed")
                await asyncio.sleep(_LAST_PAUSE_S)
            else:
                self._refusal = None
                log.info("ledger_recovered", size=self.head.size)
                return

    async def _lead(self) -> None:
        """Lock, head, frontier; the last process' connection may take a moment to die after a kill."""
        deadline = perf_counter() + self._patience_s
        while True:
            try:
                head = await self._writer.lead()
                break
            except AnotherSequencerError:
                if perf_counter() > deadline:
                    raise
                await asyncio.sleep(_FIRST_PAUSE_S)
        try:
            self.frontier = await self._prover.frontier(head)
        except BaseException:
            await self._writer.release()
            raise
        self.head = head
