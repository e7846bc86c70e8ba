"""The Ledger: seals events, gives receipts, reads them back, proves them, and has itself verified."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any

import orjson
import structlog

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.domain.audit.finding import Report, Verdict
from audit_ledger.domain.c2sp.checkpoint import Checkpoint, open_checkpoint
from audit_ledger.domain.c2sp.tlog_proof import TlogProof
from audit_ledger.domain.errors import (
    AnotherSequencerError,
    ForeignLedgerError,
    ForkedLedgerError,
    RetiredKeyError,
)
from audit_ledger.domain.head import Entry, Head
from audit_ledger.domain.merkle import TILE_SIZE, Frontier, Span, Subtree, subtrees_of
from audit_ledger.domain.privacy.sealing import commitments_in
from audit_ledger.service import life_signs, metrics
from audit_ledger.service.audit.verifier import Evidence, Verifier
from audit_ledger.service.audit.walking import Progress
from audit_ledger.service.heartbeat import Heartbeat
from audit_ledger.service.membership import Membership
from audit_ledger.service.ports import Signer
from audit_ledger.service.privacy.sealing import FieldSealer
from audit_ledger.service.prover import InclusionProof, Prover
from audit_ledger.service.publisher import Publisher
from audit_ledger.service.sequencer import Sequencer
from audit_ledger.store.inbox import Inbox
from audit_ledger.store.reader import LedgerReader
from audit_ledger.store.writer import LedgerWriter
from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext
from shared_kernel.errors import ConflictError, NotFoundError, UnavailableError
from shared_kernel.events import Event, Receipt, SealedEvent, security_event

log = structlog.get_logger()

_BURIAL_S = 0.3
"""How long a killed leader's connection may take to die before we follow it."""

_RESEALINGS = 3
"""How often a record may meet an erasure of its subject."""

_EVENT_FINDINGS = 50
"""How many findings a `ledger_verified` entry names; the report has all."""


@dataclass(frozen=True, slots=True)
class Verification:
    """A verification that runs (`report` is None) or the last that ran."""

    done: int
    total: int
    report: Report | None = None


Duty = Callable[[], Awaitable[object]]
"""What is done at every taking of the lead, before the first record."""


class Ledger:
    """Implements Recorder and EventReader; one instance leads a stream, the others hand their records to it.

    The stream's name is the signer's: `gridwarden/<ledger id>`.
    """

    def __init__(  # noqa: PLR0913 - the composition root names each part
        self, writer: LedgerWriter, reader: LedgerReader, *, signer: Signer, folder: LedgerFolder, clock: Clock,
        publish_every_s: float = 60.0, publish_every_entries: int = 10_000, queue_limit: int = 20_000,
        patience_s: float = 5.0, heartbeat_every_s: float = 60.0, retry_every_s: float = 5.0,
        sealer: FieldSealer | None = None, evidence: Evidence | None = None, inbox: Inbox | None = None,
    ) -> None:
        self._sealer = sealer
        self._before_leading: list[Duty] = []
        self._reader, self._clock, self._signer, self._folder = reader, clock, signer, folder
        self._prover = Prover(reader)
        self._sequencer = Sequencer(
            writer, self._prover, clock, vet=self._vet, queue_limit=queue_limit, patience_s=patience_s)
        self._recent = self._sequencer.recent
        self._publisher = Publisher(
            self._sequencer, writer, folder, signer, clock,
            every_s=publish_every_s, every_entries=publish_every_entries, retry_every_s=retry_every_s,
        )
        self._heartbeat = Heartbeat(self._sequencer, self._publisher, clock, every_s=heartbeat_every_s)
        self.membership = Membership(self._sequencer, inbox, sealer)
        self._arrival: asyncio.Task[None] | None = None
        self._prunes = evidence.prunes if evidence else None
        self._verifier = Verifier(reader, clock, evidence or Evidence(signer.verifier, folder))
        self.verification: Verification | None = None

    async def start(self, *, is_standby: bool = False) -> None:
        """Take the lead, check that the database still carries our last checkpoint, seal `ledger_started`.

        A standby returns at once, refuses records, and does the same as soon as nobody else leads. Raises
        AnotherSequencerError (not a standby), ForeignLedgerError, ForkedLedgerError; then nothing was written.
        """
        await self._refuse_foreign_ledger()
        if is_standby:
            self._sequencer.stand_by()
            self._arrival = asyncio.create_task(self._arrive_later(), name="ledger standby")
            return
        await self._sequencer.start()
        try:
            await self._arrive()
        except BaseException:
            await self._sequencer.stop()
            raise

    async def join(self) -> None:
        """Lead when nobody does; otherwise stand by, and have whoever leads seal our records. Needs an inbox.

        Raises ForeignLedgerError, ForkedLedgerError, LedgerDownError; then nothing was written.
        """
        await self.membership.start()
        try:
            await self._refuse_foreign_ledger()
            try:
                await self._sequencer.start(patience_s=_BURIAL_S)
            except AnotherSequencerError:
                await self.start(is_standby=True)
            else:
                await self._arrive()
        except BaseException:
            await self._sequencer.stop()
            await self.membership.stop()
            raise

    async def wait_leading(self) -> None:
        """Return once this process leads; raise ForkedLedgerError when a standby never will."""
        if self._arrival is not None:
            await asyncio.shield(self._arrival)
        await self.membership.wait_leading()

    async def stop(self) -> None:
        """Drain the queue, publish the last checkpoint, give up the lead."""
        await self._finish(None)

    async def leave(self) -> None:
        """Stop with `ledger_stopped` as the last entry: what a product does that is shut down on purpose."""
        await self._finish(life_signs.payload(life_signs.stopped(self._clock, self._signer.name)))

    async def _arrive(self) -> None:
        await self.record(life_signs.started(self._clock, self._signer.name, self._sequencer.head.size))
        await self._publisher.try_to_publish()
        self._publisher.start()
        self._heartbeat.start()
        log.info("ledger_started", origin=self._signer.name, size=self._sequencer.head.size)

    async def _arrive_later(self) -> None:
        while True:
            await self._sequencer.wait_leading()
            try:
                return await self._arrive()
            except ForkedLedgerError:
                raise
            except UnavailableError as cause:
                log.warning("ledger_lead_lost_at_once", reason=cause.detail)

    async def _finish(self, last: life_signs.Payload | None) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            await asyncio.gather(self._arrival, return_exceptions=True)
        await self._heartbeat.stop()
        await self._publisher.stop()
        await self.membership.rest()
        is_leading = self._sequencer.refusal is None
        await self._sequencer.stop(last)
        if is_leading:
            await self._publisher.try_to_publish()
        await self.membership.stop()

    def before_leading(self, duty: Duty) -> None:
        """Have something done at every taking of the lead, before the first record."""
        self._before_leading.append(duty)

    async def record(self, event: Event) -> Receipt:
        """Seal one event, its personal fields under their subject's key; the receipt comes after the commit.

        See Recorder for what the errors mean.
        """
        for _ in range(_RESEALINGS):
            era = self._recent.enter(self._era())
            sealed = event if self._sealer is None else await self._sealer.seal(event)
            try:
                # nothing may be awaited between the sealing and the queue
                receipt = await self.membership.queue(sealed)
            except RetiredKeyError:
                if self._sealer is not None:
                    self._sealer.retire_all(commitments_in(sealed))
            else:
                if self.membership.leads:  # whoever does not has no followers that ask for what it sealed
                    self._recent.enter(self._era())
                    self._recent.keep(receipt, event, era)
                return receipt
        raise RetiredKeyError

    def refuse_unless_sealing(self) -> None:
        """Raise why records are refused now; for readiness."""
        self.membership.refuse_unless_sealing()

    def head(self) -> Head:
        """Return the end of the ledger as committed, by whoever leads."""
        return max(self._sequencer.head, self._sequencer.tip.head, key=lambda head: head.size)

    async def entry(self, seq: int) -> Entry:
        """Return one entry with its exact bytes."""
        found = await self._reader.entries(seq, 1)
        if found and found[0].seq == seq:
            return found[0]
        await self._refuse_pruned(seq)
        raise NotFoundError(f"the ledger has no entry {seq}")

    async def entries(self, after: int, limit: int) -> list[Entry]:
        """Return entries from position `after` on, in order."""
        return await self._reader.entries(after, limit)

    async def entries_before(self, before: int, limit: int) -> list[Entry]:
        """Return entries below position `before`, newest first."""
        return await self._reader.find({}, before, limit)

    async def read(self, after: int, limit: int) -> list[SealedEvent]:
        """Return events from position `after` on, in order, as the database has them."""
        return await self.opened(await self._reader.entries(after, limit))

    async def follow(self, after: int, limit: int) -> list[SealedEvent]:
        """Return the same to whoever follows closely: what this process sealed a moment ago comes from memory."""
        self._recent.enter(self._era())
        end = min(after + limit, self._sequencer.head.size)
        found = self._recent.read(after, end)
        if not found:
            return await self.read(after, self._recent.gap(after, end) or limit)
        return await self._opened_where_closed(found)

    async def _opened_where_closed(self, found: Sequence[tuple[SealedEvent, bool]]) -> list[SealedEvent]:
        closed = [sealed.event for sealed, is_closed in found if is_closed]
        if not closed or self._sealer is None:
            return [sealed for sealed, _ in found]
        opened = iter(await self._sealer.opened(closed))
        return [replace(sealed, event=next(opened)) if is_closed else sealed for sealed, is_closed in found]

    def _era(self) -> int:
        """Return what moves on with every erasure."""
        return 0 if self._sealer is None else self._sealer.retirements

    async def wait_beyond(self, seq: int, timeout_s: float | None = None) -> bool:
        """Return True as soon as position `seq` is filled, so that `read(seq, ...)` answers; False at the timeout."""
        return await self._sequencer.tip.wait_beyond(seq, timeout_s)

    async def find(  # noqa: PLR0913 - EventReader's criteria
        self, *, action: str | None = None, subject: str | None = None, request_id: str | None = None,
        dataset: str | None = None, before: int | None = None, limit: int = 100,
    ) -> list[SealedEvent]:
        """Return the newest events that match every criterion given."""
        criteria = {"action": action, "subject": subject, "request_id": request_id, "dataset": dataset}
        given = {name: value for name, value in criteria.items() if value is not None}
        return await self.opened(await self._reader.find(given, before, limit))

    async def opened(self, entries: Sequence[Entry]) -> list[SealedEvent]:
        """Return what was recorded; sealed fields are opened, or say why they cannot be."""
        events = [readable(entry.payload) for entry in entries]
        if self._sealer is not None:
            events = await self._sealer.opened(events)
        return [SealedEvent(entry.seq, entry.recorded_at_us, event, entry.entry_hash)
                for entry, event in zip(entries, events, strict=True)]

    def alone(self, mark: str) -> AbstractAsyncContextManager[None]:
        """Let nobody else, in whichever process, do meanwhile what bears the same mark; holds a connection."""
        return self._reader.alone(mark)

    async def inclusion_proof(self, seq: int, size: int | None = None) -> InclusionProof:
        """Prove that entry `seq` is among the first `size` (all, when not given)."""
        known = self.head().size
        if size is not None and size > known:
            raise NotFoundError(f"the ledger has {known} entries, not {size}")
        await self._refuse_pruned(seq)
        return await self._prover.inclusion(seq, known if size is None else size)

    async def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """Prove that the ledger of `new` entries begins with the ledger of `old`."""
        await self._refuse_unprovable(old, new)
        return await self._prover.consistency(old, new)

    async def checkpoint(self, size: int | None = None) -> bytes:
        """Return the newest signed checkpoint (of at most `size` entries) as a C2SP signed note."""
        note = await self._reader.checkpoint_before(2**62 if size is None else size)
        if note is None:
            raise NotFoundError("no checkpoint is published yet")
        return note

    async def tree(self, size: int | None = None) -> tuple[Frontier, list[Subtree]]:
        """Return the perfect subtrees that make up the tree of the first `size` entries (all), largest first."""
        known = self.head().size
        if size is not None and size > known:
            raise NotFoundError(f"the ledger has {known} entries, not {size}")
        wanted = known if size is None else size
        await self._refuse_unprovable(wanted)
        return await self._prover.frontier_at(wanted), subtrees_of(Span(0, wanted))

    async def receipt(self, seq: int) -> TlogProof:
        """Return what a producer keeps: its entry's proof under the newest signed checkpoint.

        NotFoundError while no checkpoint covers the entry: one does within a minute.
        """
        note = await self.checkpoint()
        signed = open_checkpoint(note, self._signer.name, self._signer.verifier)
        if seq >= signed.size:
            raise NotFoundError(f"the newest checkpoint covers {signed.size} entries: {seq} is not yet among them")
        await self._refuse_pruned(seq)
        proof = await self._prover.inclusion(seq, signed.size)
        return TlogProof(seq, proof.path, note)

    async def publish_checkpoint(self) -> Checkpoint:
        """Publish now; AnotherSequencerError on a process that does not lead."""
        self.membership.refuse_unless_leading()
        return await self._publisher.publish()

    async def wait_published(self, beyond: int) -> Checkpoint:
        """Return the newest checkpoint as soon as one covers more than `beyond` entries: what followers wait for."""
        return await self._publisher.wait_beyond(beyond)

    async def verify(self, progress: Progress | None = None, *, context: RequestContext | None = None) -> Report:
        """Verify the whole ledger and seal what was found as `ledger_verified`; one at a time."""
        if self.verification is not None and self.verification.report is None:
            raise ConflictError("a verification is already running: wait for its report")

        def seen(done: int, total: int) -> None:
            self.verification = Verification(done, total)
            if progress:
                progress(done, total)

        last, self.verification = self.verification, Verification(0, self.head().size)
        try:
            report = await self._verifier.verify(seen)
        except BaseException:
            self.verification = last
            raise
        self.verification = Verification(report.size, report.size, report)
        metrics.FINDINGS.set(len(report.findings))
        await self.record(self._verified(report, context))
        return report

    def _verified(self, report: Report, context: RequestContext | None) -> Event:
        named = [{"kind": str(found.kind), "seq": found.seq, "last_seq": found.last_seq}
                 for found in report.findings[:_EVENT_FINDINGS]]
        return security_event(
            self._clock, "ledger_verified", category="configuration", types=("info",), context=context,
            outcome="failure" if report.verdict is Verdict.TAMPERED else "success",
            grid={"ledger": {"findings": named, "size": report.size, "mode": str(report.mode),
                             "holds_to": report.holds_to}},
        )

    async def _refuse_foreign_ledger(self) -> None:
        streams = await self._reader.streams()
        if streams and self._signer.name not in streams:
            raise ForeignLedgerError(self._signer.name, ", ".join(streams))

    async def _refuse_pruned(self, seq: int) -> None:
        """Raise PrunedEntryError, which names the archive, for what is not here any more."""
        if self._prunes is not None:
            await self._prunes.refuse_pruned(seq)

    async def _refuse_unprovable(self, *sizes: int) -> None:
        """Raise PrunedEntryError for trees that end in a pruned tile; of whole tiles the roots stay."""
        for size in sizes:
            if size % TILE_SIZE:
                await self._refuse_pruned(size - 1)

    async def _vet(self, head: Head) -> None:
        """Before every lead: the history is ours, and what the last leader left undone is done."""
        await self._refuse_lost_history(head)
        for duty in self._before_leading:
            await duty()

    async def _refuse_lost_history(self, head: Head) -> None:
        """Never sign a tree that does not extend the one we signed before."""
        note = self._folder.latest()
        if note is None:
            return
        last = open_checkpoint(note, self._signer.name, self._signer.verifier)
        if last.size > head.size:
            raise ForkedLedgerError(self._signer.name, f"it ends before the {last.size} entries of our last checkpoint")
        if (await self._prover.frontier_at(last.size)).root != last.root:
            raise ForkedLedgerError(self._signer.name, f"its first {last.size} entries are not those we signed")


def readable(payload: bytes) -> dict[str, Any]:
    """Return a payload's event; an entry damaged beyond JSON reads as an empty one, verification names it."""
    try:
        event = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return {}
    return event if isinstance(event, dict) else {}
