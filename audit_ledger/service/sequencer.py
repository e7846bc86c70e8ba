"""The single writer: natural group commit.

Whatever queued while the previous commit ran is the next batch; nobody waits for a timer. A receipt is given only
after its commit. After any failure the head is read again from the database (a commit may have persisted although
its answer was lost, another process may have led meanwhile) before the next entry is sealed on it; a history that
does not begin with the one we knew is a fork, and nothing is sealed until a person has looked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter

import structlog

from audit_ledger.domain.columns import Columns
from audit_ledger.domain.errors import (
    AnotherSequencerError,
    ForkedLedgerError,
    LedgerDownError,
    LedgerStoppedError,
    UnknownOutcomeError,
)
from audit_ledger.domain.head import Head
from audit_ledger.domain.merkle import Frontier
from audit_ledger.service import life_signs, metrics
from audit_ledger.service.batch import Batch, Origin, Pending, Queue
from audit_ledger.service.prover import Prover
from audit_ledger.service.recent import Recent
from audit_ledger.service.sealing_clock import SealingClock
from audit_ledger.service.tip import Tip
from audit_ledger.store.writer import LedgerWriter
from shared_kernel.clock import Clock
from shared_kernel.errors import UnavailableError
from shared_kernel.events import Receipt

log = structlog.get_logger()

_FIRST_PAUSE_S = 0.05
_LAST_PAUSE_S = 1.0


Vetting = Callable[[Head], Awaitable[None]]
"""Looks at the head that was found before anything is sealed on it; raises ForkedLedgerError."""


async def any_head(_head: Head) -> None:
    """Accept what is there: nothing was signed yet that could be missing."""


class Sequencer:
    """Gives every record its place, in the order in which they came."""

    def __init__(  # noqa: PLR0913 - its partners and its three bounds
        self, writer: LedgerWriter, prover: Prover, clock: Clock, *,
        vet: Vetting = any_head, queue_limit: int = 20_000, batch_limit: int = 512, patience_s: float = 5.0,
    ) -> None:
        self._writer, self._prover, self._vet, self._clock = writer, prover, vet, SealingClock(clock)
        self._queue, self._patience_s = Queue(queue_limit, batch_limit), patience_s
        self._last: Batch | None = None
        self._work = asyncio.Event()
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._refusal: UnavailableError | None = LedgerStoppedError()
        self._is_draining = False
        self._is_regaining = False
        self.term = 0
        """How often this process has taken the lead."""
        self.leading, self.lost, self.forwarded = asyncio.Event(), asyncio.Event(), asyncio.Event()
        """Two that exclude each other, and one that is set by every commit of another process' records."""
        self.lost.set()
        self.tip = Tip()
        self.head = Head()
        self.frontier = Frontier()
        self.recent = Recent()
        self.sealed_at = 0.0
        """When the last entry was sealed, by `time.perf_counter`."""

    async def start(self, *, patience_s: float | None = None) -> None:
        """Take the lead; AnotherSequencerError when another process keeps it longer than our patience."""
        await self._lead_patiently(self._patience_s if patience_s is None else patience_s)
        self._is_draining = False
        self._leads()
        self._task = asyncio.create_task(self._run(), name="ledger sequencer")

    def stand_by(self) -> None:
        """Take the lead as soon as nobody else has it; refuse records until then."""
        self._refusal, self._is_draining = AnotherSequencerError(self._writer.stream), False
        self._task = asyncio.create_task(self._stand_by(), name="ledger sequencer")

    async def wait_leading(self) -> None:
        """Return once records are taken; raise ForkedLedgerError when that will never be."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._refusal is None or isinstance(self._refusal, ForkedLedgerError))
        if self._refusal is not None:
            raise self._refusal.with_traceback(None)

    async def stop(self, last: tuple[bytes, Columns] | None = None) -> None:
        """Refuse new records, commit what waits, and `last` after it; give up the lead."""
        if self._task is None:
            return
        if self._refusal is None and last is not None:
            self._queue.add_own(last)
        self._refusal = LedgerStoppedError()
        self._is_draining = True
        self._work.set()
        if self._is_regaining:
            self._task.cancel()  # nobody waits for anything: whoever did was refused
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        self._leads_not(LedgerStoppedError())
        await self._writer.release()

    @property
    def stream(self) -> str:
        """The ledger's name."""
        return self._writer.stream

    @property
    def lease_s(self) -> float:
        """How long the database waits to hear of its leader."""
        return self._writer.lease_s

    @property
    def refusal(self) -> UnavailableError | None:
        """Why records are refused now; None while they are taken."""
        return self._refusal

    async def append(self, payload: bytes, columns: Columns) -> Receipt:
        """Return the receipt once the entry is durable; raise an UnavailableError otherwise."""
        return await self.enqueue(payload, columns)

    def enqueue(
        self, payload: bytes, columns: Columns, *, origin: Origin | None = None,
    ) -> asyncio.Future[Receipt]:
        """Queue a record and return the promise of its receipt; `origin` is its row in the inbox."""
        if self._refusal is not None:
            raise self._refusal.with_traceback(None)
        receipt = self._queue.add(payload, columns, origin)
        self._work.set()
        return receipt

    async def wait_beyond(self, seq: int, timeout_s: float | None) -> bool:
        """Return True as soon as the ledger holds an entry at position `seq`, False after the timeout."""
        if self.head.size > seq:
            return True
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: self.head.size > seq)
        except TimeoutError:
            return False
        return True

    async def _stand_by(self) -> None:
        await self._regain()
        await self._run()

    async def _run(self) -> None:
        while self._queue or not self._is_draining:
            if not self._queue:
                await self._rest()
                continue
            if (notice := self._clock.notice()) is not None:
                self._queue.add_own_first(notice)
            batch = self._queue.take()
            try:
                await self._commit(batch)
            except UnavailableError as cause:
                await self._suffer(batch, cause)
            except Exception as cause:
                log.exception("ledger_sequencer_failed")
                await self._suffer(batch, LedgerDownError(type(cause).__name__))

    async def _rest(self) -> None:
        """Wait for work, and let the database hear of us well within the lease."""
        self._work.clear()
        try:
            async with asyncio.timeout(self._writer.lease_s / 3):
                await self._work.wait()
        except TimeoutError:
            if self._refusal is None:
                await self._renew()

    async def _renew(self) -> None:
        try:
            await self._writer.renew()
        except UnavailableError as cause:
            await self._suffer([], cause)

    async def _commit(self, records: list[Pending]) -> None:
        began = perf_counter()
        batch = Batch(self._writer.stream, self.head, self.frontier.copy(), self._clock.next_us(), records)
        self._last = batch
        origins = batch.origins()
        head, _ = await self._writer.append(self.head, batch.rows(), batch.sealed, origins)
        for seq, (record, found) in enumerate(zip(records, batch.hashes, strict=True), start=self.head.size):
            if not record.receipt.done():
                record.receipt.set_result(Receipt(seq, found))
        self.head, self.frontier, self.sealed_at = head, batch.frontier, perf_counter()
        self._clock.sealed(batch.at_us)
        self.recent.batch(head.size - len(records), head.size, batch.at_us)
        metrics.ENTRIES.inc(len(records))
        metrics.COMMIT_SECONDS.observe(perf_counter() - began)
        if origins:
            self.forwarded.set()
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
        await self.tip.reached(self.head)

    def _leads(self) -> None:
        self._refusal = None
        self.term += 1
        self.lost.clear()
        self.leading.set()
        metrics.LEADING.set(1)

    def _leads_not(self, cause: UnavailableError) -> None:
        self._refusal = cause
        self.leading.clear()
        self.lost.set()
        metrics.LEADING.set(0)

    async def _suffer(self, batch: list[Pending], cause: UnavailableError) -> None:
        """Tell everybody who waits, then find the way back; a fork has no way back."""
        metrics.FAILURES.inc()
        log.error("ledger_cannot_seal", reason=cause.detail, waiting=len(batch) + len(self._queue))
        self._refuse_all(batch, cause)
        if isinstance(cause, ForkedLedgerError):
            await self._writer.release()
        else:
            await self._regain()

    def _refuse_all(self, batch: Sequence[Pending], cause: UnavailableError) -> None:
        """Nothing that only queued was sealed; what was on its way may have persisted, its answer lost."""
        self._leads_not(cause)
        is_lost = isinstance(cause, LedgerDownError) and not cause.is_refusal
        unknown = UnknownOutcomeError(cause) if is_lost else cause
        for record, told in (*((each, unknown) for each in batch), *((each, cause) for each in self._queue.clear())):
            if not record.receipt.done():
                record.receipt.set_exception(told)

    async def _regain(self) -> None:
        """Try until we lead again, or have learned that the ledger is forked."""
        self._is_regaining, pause = True, _FIRST_PAUSE_S
        try:
            while not self._is_draining:
                cause = await self._try_to_lead()
                if cause is None:
                    self._leads()
                    break
                self._refusal = cause
                if isinstance(cause, ForkedLedgerError):
                    break
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LAST_PAUSE_S)
        finally:
            self._is_regaining = False
        await self._tell()

    async def _try_to_lead(self) -> UnavailableError | None:
        """Return None once we lead, otherwise the reason to refuse records."""
        known, last = self.head, self._last
        try:
            await self._lead()
        except UnavailableError as cause:
            if type(cause) is not type(self._refusal):
                log.warning("ledger_does_not_lead", reason=cause.detail)
            return cause
        except Exception as cause:
            log.exception("ledger_recovery_failed")
            return LedgerDownError(type(cause).__name__)
        if last is not None and self.head not in (known, last.reached):
            event = life_signs.lead_regained(self._clock.clock, known.size, self.head.size)
            self._queue.add_own(life_signs.payload(event))
        log.info("ledger_leads", size=self.head.size)
        return None

    async def _lead_patiently(self, patience_s: float) -> None:
        """The last process' connection may take a moment to die after a kill."""
        deadline = perf_counter() + patience_s
        while True:
            try:
                await self._lead()
            except AnotherSequencerError:
                if perf_counter() > deadline:
                    raise
                await asyncio.sleep(_FIRST_PAUSE_S)
            else:
                return

    async def _lead(self) -> None:
        """Lock, head, frontier, and the time of the last entry."""
        head = await self._writer.lead()
        try:
            frontier = await self._prover.frontier(head)
            await self._refuse_rewritten_history(head)
            await self._vet(head)
            self._clock.found(await self._writer.recorded_at_us(head))
        except BaseException:
            await self._writer.release()
            raise
        self.head, self.frontier, self.sealed_at = head, frontier, perf_counter()
        await self._tell()

    async def _refuse_rewritten_history(self, head: Head) -> None:
        """Whoever led meanwhile has only appended."""
        known = self.frontier
        if head.size < known.size or (await self._prover.frontier_at(known.size)).root != known.root:
            raise ForkedLedgerError(self._writer.stream, f"its first {known.size} entries are not those we knew")
