"""The leader's side of forwarding: takes records out of the inbox into the queue, in each sender's order.

A row goes with the commit that seals it (see `store.inbox`), so that one taken twice, by two leaders, is sealed once.
"""

import asyncio
from functools import partial

import orjson
import structlog

from audit_ledger.domain.canonical import is_canonical
from audit_ledger.domain.columns import columns_of
from audit_ledger.domain.errors import LedgerFullError
from audit_ledger.service import metrics
from audit_ledger.service.background import Background
from audit_ledger.service.privacy.sealing import FieldSealer
from audit_ledger.service.sequencer import Sequencer
from audit_ledger.store.inbox import ERASED, INBOX_BELL, Inbox, Letter, Line
from shared_kernel.errors import UnavailableError
from shared_kernel.events import Event, Receipt

log = structlog.get_logger()

_SWEEP_S = 1.0
"""A bell that did not ring, and a sender nobody heard of, cost no more than this."""
_PAGE = 512
_PAUSE_S = 0.1


class Draining(Background):
    """Works while its sequencer leads."""

    name = "ledger inbox"

    def __init__(self, inbox: Inbox, sequencer: Sequencer, sealer: FieldSealer | None) -> None:
        self._inbox, self._sequencer, self._sealer = inbox, sequencer, sealer
        self._term, self._after = 0, dict[int, int]()

    async def _run(self) -> None:
        while True:
            await self._sequencer.leading.wait()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._drain(self._sequencer.term))
                    group.create_task(self._tell())
                    group.create_task(self._until_lost())
            except* _LeadLostError:
                pass
            except* UnavailableError as causes:
                log.warning("ledger_inbox_waits", reason=str(causes.exceptions[0]))
            except* Exception:
                log.exception("ledger_inbox_failed")
            await asyncio.sleep(_PAUSE_S)

    async def _until_lost(self) -> None:
        await self._sequencer.lost.wait()
        raise _LeadLostError

    async def _tell(self) -> None:
        """Ring after every commit that held a forwarded record."""
        async with self._inbox.line() as line:
            while True:
                await self._sequencer.forwarded.wait()
                self._sequencer.forwarded.clear()
                await line.tell_sealed()

    async def _drain(self, term: int) -> None:
        """A new lead starts from the beginning: what an earlier one took and did not seal is there still."""
        if self._term != term:
            self._term, self._after = term, {}
        async with self._inbox.line(INBOX_BELL) as line:
            swept_s, loop = 0.0, asyncio.get_running_loop()
            heard: set[int] = set()
            while self._sequencer.term == term:
                if loop.time() - swept_s > _SWEEP_S:
                    heard |= await self._sweep(line)
                    swept_s = loop.time()
                if heard:
                    await self._take(line, heard)
                heard = await line.rung(_SWEEP_S)

    async def _sweep(self, line: Line) -> set[int]:
        """Return who has something in the inbox; forget who has nothing."""
        found = await line.senders()
        self._after = {sender: number for sender, number in self._after.items() if sender in found}
        return found

    async def _take(self, line: Line, heard: set[int]) -> None:
        """Queue what these senders have put; what finds no room stays in the inbox for the next sweep."""
        while heard:
            letters = await line.take({sender: self._after.get(sender, 0) for sender in heard}, _PAGE)
            counts = dict.fromkeys(heard, 0)
            for letter in letters:
                if self._sequencer.term != self._term:
                    return  # read in an earlier lead: another leader may have sealed it since
                try:
                    why = self._refusal_of(letter)
                except LedgerFullError:
                    return
                if why is not None:
                    await line.refuse(letter, why)
                self._after[letter.sender] = letter.number
                counts[letter.sender] += 1
            heard = {sender for sender, count in counts.items() if count == _PAGE}

    def _refusal_of(self, letter: Letter) -> str | None:
        """Queue a record, or return why it must not be sealed as it is; nothing is awaited in between."""
        try:
            event = orjson.loads(letter.payload)
        except orjson.JSONDecodeError:
            return "it is no event"
        if not isinstance(event, dict) or not is_canonical(letter.payload, event):
            return "it is no event as the ledger writes them"
        if self._sealer is not None and not self._sealer.admits(event):
            return ERASED
        receipt = self._sequencer.enqueue(letter.payload, columns_of(event), origin=letter[:2])
        receipt.add_done_callback(partial(self._sealed, event))
        metrics.DRAINED.inc()
        return None

    def _sealed(self, event: Event, receipt: asyncio.Future[Receipt]) -> None:
        """Nobody here waits: the sender finds its record in the ledger. Our followers find it in memory."""
        if not receipt.cancelled() and receipt.exception() is None:
            self._sequencer.recent.keep_closed(receipt.result(), event)


class _LeadLostError(Exception):
    """Ends the work of one lead."""
