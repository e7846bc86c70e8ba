"""One process among several on one ledger: it leads and seals, or hands its records to the one that does."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from audit_ledger.domain.canonical import payload_of
from audit_ledger.domain.columns import columns_of
from audit_ledger.domain.errors import AnotherSequencerError, LostLeadError
from audit_ledger.service.draining import Draining
from audit_ledger.service.forwarding import Forwarding
from audit_ledger.service.privacy.sealing import FieldSealer
from audit_ledger.service.sequencer import Sequencer
from audit_ledger.store.inbox import Inbox
from shared_kernel.events import Event, Receipt

_TERM: ContextVar[int | None] = ContextVar("ledger_term", default=None)
"""Within the duties of a lead: its term. They seal in that term only, and never through another leader."""


class Membership:
    """Without an inbox a process is alone: it leads, or refuses."""

    def __init__(self, sequencer: Sequencer, inbox: Inbox | None, sealer: FieldSealer | None) -> None:
        self._sequencer = sequencer
        self._forwarding = None if inbox is None else Forwarding(inbox, sequencer.tip)
        self._draining = None if inbox is None else Draining(inbox, sequencer, sealer)

    async def start(self) -> None:
        """Begin to forward while another leads, and to drain while we do."""
        if self._forwarding is not None and self._draining is not None:
            await self._forwarding.start()
            self._draining.start()

    async def rest(self) -> None:
        """Take nothing more from others: what they sent is the next leader's."""
        if self._draining is not None:
            await self._draining.stop()

    async def stop(self) -> None:
        """Give up what is on its way to a leader."""
        await self.rest()
        if self._forwarding is not None:
            await self._forwarding.stop()

    @property
    def leads(self) -> bool:
        """Whether this process seals, for itself and for the others."""
        return self._sequencer.leading.is_set()

    async def wait_leading(self) -> None:
        """Return once this process leads."""
        await self._sequencer.leading.wait()

    async def wait_lost(self) -> None:
        """Return once this process does not lead."""
        await self._sequencer.lost.wait()

    @contextmanager
    def as_leader(self) -> Iterator[None]:
        """Bind the tasks started within to the present lead: they seal nothing any more once that is over."""
        token = _TERM.set(self._sequencer.term)
        try:
            yield
        finally:
            _TERM.reset(token)

    def queue(self, event: Event) -> asyncio.Future[Receipt]:
        """Queue an event here when this process leads, otherwise for the process that does."""
        sequencer, term = self._sequencer, _TERM.get()
        if term is not None and not (sequencer.refusal is None and sequencer.term == term):
            raise LostLeadError(sequencer.stream, sequencer.lease_s)
        if self._forwarding is not None and isinstance(sequencer.refusal, AnotherSequencerError):
            return self._forwarding.forward(payload_of(event))
        return sequencer.enqueue(payload_of(event), columns_of(event))

    def refuse_unless_sealing(self) -> None:
        """Raise why a record would be refused now."""
        refusal = self._sequencer.refusal
        if self._forwarding is not None and isinstance(refusal, AnotherSequencerError):
            self._forwarding.refuse_unless_heard()
        elif refusal is not None:
            raise refusal.with_traceback(None)

    def refuse_unless_leading(self) -> None:
        """Raise why this process does not lead."""
        if self._sequencer.refusal is not None:
            raise self._sequencer.refusal.with_traceback(None)
