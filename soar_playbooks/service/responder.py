"""The Responder: hears alerts, opens runs, asks people, and keeps a worker that carries the runs out."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from prometheus_client import Counter

from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext
from shared_kernel.errors import ConflictError, InvalidInputError, UnavailableError
from shared_kernel.events import Recorder, SealedEvent
from shared_kernel.ids import uuid7
from shared_kernel.principal import Principal
from soar_playbooks.adapters.folders import PlaybookFolders
from soar_playbooks.domain.approval import refuse_unless_may_decide
from soar_playbooks.domain.connector import Connector
from soar_playbooks.domain.errors import (
    AlreadyDecidedError,
    NotForPeopleError,
    SwitchedOffError,
    TooManyTargetsError,
    UnknownRunError,
)
from soar_playbooks.domain.run import (
    ApprovalRecord,
    ApprovalState,
    Run,
    RunStatus,
    Switch,
    is_run_id,
    is_scope,
    scopes_of,
)
from soar_playbooks.domain.trigger import Requester, Trigger, distinct
from soar_playbooks.service.drafter import Drafter
from soar_playbooks.service.executor import Executor
from soar_playbooks.service.library import Library
from soar_playbooks.service.seals import Seals
from soar_playbooks.service.worker import CONCURRENCY, Worker
from soar_playbooks.store import PlaybookStore
from soar_playbooks.store.approvals import Decision
from soar_playbooks.store.runs import NewRun, RunStory

OPENED = Counter("gridwarden_soar_runs_opened", "Runs opened.", ["playbook", "status"])
LEASE_S = 10.0
HOUSEKEEPING_S = 1.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ruling:
    """A person's decision on an approval; `plan_hash` is the plan they read, when they say so."""

    granting: bool
    comment: str = ""
    plan_hash: str | None = None


class Responder:
    """Implements the kernel's Subscriber for the source "ledger"; `run()` works until cancelled."""

    def __init__(  # noqa: PLR0913 - the house's dependencies
        self, store: PlaybookStore, folders: PlaybookFolders, connectors: Mapping[str, Connector],
        recorder: Recorder, clock: Clock, *, lease_s: float = LEASE_S, concurrency: int = CONCURRENCY,
    ) -> None:
        self._store, self._clock = store, clock
        self._seals = Seals(recorder, clock)
        self.library = Library(folders, frozenset(connectors))
        self._drafter = Drafter(self.library, clock)
        executor = Executor(store.journal, connectors, self._seals, clock, lease_margin_s=lease_s)
        self._worker = Worker(store.journal, executor, lease_s=lease_s, concurrency=concurrency)

    async def run(self) -> None:
        """Carry out runs, read changed playbooks and expire approvals, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._worker.run())
            group.create_task(self._keep_house())

    async def position(self, source: str) -> int:
        """Return the next seq wanted."""
        return await self._store.runs.position(source)

    async def observe(self, source: str, events: list[SealedEvent]) -> None:
        """Open a run for each alert that asks for a playbook and has none yet."""
        if not events:
            return
        await self.library.refresh()
        opened = {new.run.run_id: new for sealed in events if (new := self._drafter.for_event(sealed)) is not None}
        known = await self._store.runs.known(list(opened)) if opened else set()
        fresh = [new for run_id, new in opened.items() if run_id not in known]
        await self._open(fresh, source=source, position=events[-1].seq + 1)

    async def start_run(
        self, name: str, targets: Sequence[str], *, reason: str, by: Principal, context: RequestContext | None = None,
    ) -> Run:
        """Open a run that a person, or a service, asks for."""
        await self.library.refresh()
        playbook = self.library.get(name)
        if not playbook.may_be_started_with(by.roles):
            raise NotForPeopleError(name, playbook.people or frozenset())
        wanted = distinct(list(targets))
        if not wanted or len(wanted) != len(set(targets)):
            raise InvalidInputError("name at least one target; each is a printable text of 1 to 256 characters")
        if len(wanted) > playbook.max_targets:
            raise TooManyTargetsError(len(wanted), playbook.max_targets)
        if (scope := await self._store.switches.first_on(scopes_of(name))) is not None:
            raise SwitchedOffError(scope)
        new = self._drafter.planned(uuid7(), playbook, Trigger(wanted, reason), Requester.from_principal(by))
        await self._open([new], context=context)
        return new.run

    async def decide(self, run_id: str, ruling: Ruling, *, by: Principal, context: RequestContext | None = None) -> Run:
        """Grant or deny an approval: refused, or sealed and kept, once."""
        async def judge(run: Run, approval: ApprovalRecord) -> Decision:
            refuse_unless_may_decide(
                approval, by, granting=ruling.granting, plan_hash=ruling.plan_hash, now_us=self._clock.now_us(),
            )
            state = ApprovalState.GRANTED if ruling.granting else ApprovalState.DENIED
            await self._seals.approval(f"approval_{state}", run, reason=ruling.comment, by=by.subject, context=context)
            if not ruling.granting:
                await self._seals.finished(run, RunStatus.DENIED, ruling.comment)
            return Decision(state, by.subject, by.name, self._clock.now_us(), ruling.comment)

        if not is_run_id(run_id):
            raise UnknownRunError(run_id)
        run = await self._store.approvals.decide(run_id, judge)
        self._worker.wake()
        return run

    async def approve(self, run_id: str, by: Principal, *, comment: str = "") -> Run:
        """Grant an approval."""
        return await self.decide(run_id, Ruling(granting=True, comment=comment), by=by)

    async def deny(self, run_id: str, by: Principal, *, comment: str = "") -> Run:
        """Deny an approval."""
        return await self.decide(run_id, Ruling(granting=False, comment=comment), by=by)

    async def switch(
        self, scope: str, *, is_on: bool, reason: str, by: Principal, context: RequestContext | None = None,
    ) -> Switch:
        """Turn a kill switch: `global` or `playbook:<name>`."""
        if not is_scope(scope):
            raise InvalidInputError("the scope of a kill switch is global or playbook:<name>")
        turned = Switch(scope, is_on, by.subject, reason, self._clock.now_us())
        await self._seals.switched(turned, context)
        await self._store.switches.set(turned)
        return turned

    async def switches(self) -> list[Switch]:
        """Return every kill switch ever set."""
        return await self._store.switches.all()

    async def runs(self, before: int | None, limit: int) -> list[Run]:
        """Return runs, newest first."""
        return await self._store.runs.latest(before, limit)

    async def story(self, run_id: str) -> RunStory:
        """Return everything kept of a run; raise UnknownRunError."""
        story = await self._store.runs.story(run_id) if is_run_id(run_id) else None
        if story is None:
            raise UnknownRunError(run_id)
        return story

    async def expire_approvals(self) -> None:
        """Deny, by default, what nobody approved in time."""
        async def judge(run: Run, approval: ApprovalRecord) -> Decision:
            if approval.state is not ApprovalState.PENDING:
                raise AlreadyDecidedError(approval.state)
            await self._seals.approval("approval_denied", run, reason="expired")
            await self._seals.finished(run, RunStatus.EXPIRED, "nobody approved it in time")
            return Decision(ApprovalState.EXPIRED, "", "", self._clock.now_us(), "nobody approved it in time")

        for run_id in await self._store.approvals.overdue(self._clock.now_us()):
            try:
                await self._store.approvals.decide(run_id, judge)
            except ConflictError:
                continue

    async def _keep_house(self) -> None:
        while True:
            try:
                await self.library.refresh()
                await self.expire_approvals()
            except UnavailableError as error:
                log.warning("playbooks_wait", why=error.detail)
            await asyncio.sleep(HOUSEKEEPING_S)

    async def _open(
        self, several: Sequence[NewRun], *, context: RequestContext | None = None, source: str | None = None,
        position: int = 0,
    ) -> None:
        """Seal, then keep."""
        for new in several:
            await self._seals.started(new.run, context)
            if new.approval is not None:
                await self._seals.approval("approval_requested", new.run, reason=new.run.reason, context=context)
            if new.run.finished_at_us is not None:
                await self._seals.finished(new.run, new.run.status, new.run.reason)
        await self._store.runs.open(several, source=source, position=position)
        for new in several:
            OPENED.labels(new.run.playbook, new.run.status).inc()
        self._worker.wake()
