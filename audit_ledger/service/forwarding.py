"""What a process that does not lead does with its records: it hands them to the leader, and finds them in the ledger.

    record -> inbox (a row) -> the leader's queue -> one commit: the entry is there, the row is gone -> found by digest

The receipt is read from the committed entries themselves: nobody can forge one who could not forge an entry, and a
record that a dying leader sealed is found under the next. What is not found in time has an unknown outcome.
"""

import asyncio
import hashlib
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic

import structlog

from audit_ledger.domain.columns import columns_of
from audit_ledger.domain.errors import (
    LedgerDownError,
    LedgerStoppedError,
    NoLeaderError,
    RetiredKeyError,
    UnknownOutcomeError,
)
from audit_ledger.domain.head import Head
from audit_ledger.service import metrics
from audit_ledger.service.batch import Queue
from audit_ledger.service.tip import Tip
from audit_ledger.store.inbox import ERASED, SEALED_BELL, Inbox, Line, SealedPlace
from shared_kernel.errors import UnavailableError
from shared_kernel.events import Receipt

log = structlog.get_logger()

PATIENCE_S = 8.0
"""How long a record may wait for a leader; less than the inbox keeps it."""
BATCH = 256
_LOOK_S, _IDLE_S = 0.1, 1.0
_PAGE = 2_000
_PAUSE_S = 0.2
_NO_COLUMNS = columns_of(None)


@dataclass(slots=True)
class _Sent:
    """A record on its way."""

    number: int
    digest: bytes
    receipt: asyncio.Future[Receipt]
    sent_s: float


class Forwarding:
    """Sends in the order given, one batch at a time; follows the ledger's end while another process leads."""

    def __init__(self, inbox: Inbox, tip: Tip, *, queue_limit: int = 20_000, patience_s: float = PATIENCE_S) -> None:
        self._inbox, self._tip, self._patience_s = inbox, tip, patience_s
        self._queue = Queue(queue_limit, BATCH)
        self._sender, self._next = secrets.randbits(62), 1
        self._sent: dict[int, _Sent] = {}
        self._by_digest: dict[bytes, deque[int]] = {}
        self._seen = 0
        self._work = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._refusals: dict[str, UnavailableError] = {"": LedgerStoppedError()}

    async def start(self) -> None:
        """Begin to send and to follow; LedgerDownError when the database does not answer."""
        async with self._inbox.line() as line:
            await self._look_up(line)
        self._refusals.clear()
        self._tasks = [asyncio.create_task(self._keep(name, work), name=f"ledger {name}")
                       for name, work in (("forwarding", self._send_all), ("following", self._follow))]

    async def stop(self) -> None:
        """Give up what is on its way."""
        self._refusals[""] = LedgerStoppedError()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._give_up(LedgerStoppedError())

    def forward(self, payload: bytes) -> asyncio.Future[Receipt]:
        """Queue a record for the leader; its receipt comes after the leader's commit, or an UnavailableError."""
        self._refuse_unless_connected()
        receipt = self._queue.add(payload, _NO_COLUMNS)
        self._work.set()
        return receipt

    def refuse_unless_heard(self) -> None:
        """Raise why a record would not be sealed now."""
        self._refuse_unless_connected()
        oldest = next(iter(self._sent.values()), None)
        if oldest is not None and monotonic() - oldest.sent_s > self._patience_s / 2:
            raise NoLeaderError(self._inbox.stream)

    def _refuse_unless_connected(self) -> None:
        for refusal in self._refusals.values():
            raise refusal.with_traceback(None)

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Work on lines to the database, new ones after a failure."""
        while True:
            try:
                await work()
            except UnavailableError as cause:
                self._refusals[name] = cause
                log.warning("ledger_forwarding_waits", reason=cause.detail)
            except Exception as cause:
                self._refusals[name] = LedgerDownError(type(cause).__name__)
                log.exception("ledger_forwarding_failed")
            await asyncio.sleep(_PAUSE_S)

    async def _send_all(self) -> None:
        async with self._inbox.line() as line:
            self._refusals.pop("forwarding", None)
            while True:
                await self._work.wait()
                self._work.clear()
                while self._queue:
                    await self._send(line)

    async def _send(self, line: Line) -> None:
        records = [record for record in self._queue.take() if not record.receipt.done()]
        first, self._next = self._next, self._next + len(records)
        sent = [_Sent(number, hashlib.sha256(record.payload).digest(), record.receipt, monotonic())
                for number, record in enumerate(records, start=first)]
        for one in sent:
            self._sent[one.number] = one
            self._by_digest.setdefault(one.digest, deque()).append(one.number)
        try:
            await line.put(self._sender, first, [record.payload for record in records])
        except LedgerDownError as cause:
            told = cause if cause.is_refusal else UnknownOutcomeError(cause)
            for one in sent:
                self._settle(one.number, told)
            raise
        metrics.FORWARDED.inc(len(records))

    async def _follow(self) -> None:
        async with self._inbox.line(SEALED_BELL) as line:
            self._refusals.pop("following", None)
            looked_s = 0.0
            heard: set[int] = set()
            while True:
                await self._look_up(line)
                if self._sent and (self._sender in heard or monotonic() - looked_s > _IDLE_S):
                    await self._take_back(line)
                    looked_s = monotonic()
                self._give_up_on_the_late()
                heard = await line.rung(_LOOK_S if self._sent else _IDLE_S)

    async def _take_back(self, line: Line) -> None:
        """Settle what the leader would not seal."""
        for number, why in await line.refusals(self._sender):
            self._settle(number, RetiredKeyError() if why == ERASED else LedgerDownError(why, is_refusal=True))

    async def _look_up(self, line: Line) -> None:
        """Learn the ledger's end, and where our records are in it."""
        if not self._sent:
            head = await line.head()
            if not self._sent:  # what was sent meanwhile may be before that head
                self._seen = max(self._seen, head.size)
            await self._tip.reached(head)
            return
        while page := await line.sealed(self._seen, _PAGE):
            for place in page:
                self._found(place)
            self._seen = page[-1].seq + 1
            await self._tip.reached(Head(self._seen, page[-1].entry_hash))

    def _found(self, place: SealedPlace) -> None:
        numbers = self._by_digest.get(place.digest)
        if numbers:
            self._settle(numbers[0], Receipt(place.seq, place.entry_hash))

    def _settle(self, number: int, outcome: Receipt | Exception) -> None:
        """Answer one record, and forget it."""
        one = self._sent.pop(number, None)
        if one is None:
            return
        numbers = self._by_digest[one.digest]
        numbers.remove(number)
        if not numbers:
            del self._by_digest[one.digest]
        if one.receipt.done():
            return
        if isinstance(outcome, Receipt):
            one.receipt.set_result(outcome)
        else:
            one.receipt.set_exception(outcome)

    def _give_up_on_the_late(self) -> None:
        deadline_s = monotonic() - self._patience_s
        late = [one.number for one in self._sent.values() if one.sent_s < deadline_s]
        for number in late:
            self._settle(number, UnknownOutcomeError(NoLeaderError(self._inbox.stream)))

    def _give_up(self, cause: UnavailableError) -> None:
        for number in list(self._sent):
            self._settle(number, UnknownOutcomeError(cause))
        for record in self._queue.clear():
            if not record.receipt.done():
                record.receipt.set_exception(cause)
