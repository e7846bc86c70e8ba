"""What the tests of this house share: a recorder, connectors that behave as told, alerts, and a Responder at work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from shared_kernel.errors import UnavailableError
from shared_kernel.events import Event, Receipt, SealedEvent
from shared_kernel.principal import Principal, PrincipalKind
from soar_playbooks.adapters.folders import PlaybookFolders
from soar_playbooks.domain.connector import Connector, ConnectorKind, Reconciled
from soar_playbooks.domain.run import RunStatus
from soar_playbooks.service import Responder
from soar_playbooks.store import PlaybookStore
from soar_playbooks.store.runs import RunStory
from tests.frozen_clock import FrozenClock

LOCK = "lock-account-and-revoke-sessions"
QUARANTINE = "quarantine-meter"


@dataclass
class Ledger:
    """Keeps events in a list; silent when told."""

    events: list[Event] = field(default_factory=list)
    is_down: bool = False

    async def record(self, event: Event) -> Receipt:
        """Keep one event."""
        if self.is_down:
            raise UnavailableError("the ledger cannot write")
        self.events.append(event)
        return Receipt(len(self.events) - 1, b"")

    def actions(self) -> list[str]:
        """Return what was sealed, in order."""
        return [event["event"]["action"] for event in self.events]


Behaviour = Callable[[Mapping[str, str], str], Awaitable[Mapping[str, Any]]]


async def _succeed(_params: Mapping[str, str], _key: str) -> Mapping[str, Any]:
    return {"ok": True}


@dataclass
class Effects:
    """A connector that notes its calls, behaves as told, and knows which keys took effect."""

    name: str
    kind: ConnectorKind = ConnectorKind.IDEMPOTENT
    behave: Behaviour = _succeed
    calls: list[Mapping[str, str]] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    answer: Reconciled | None = None

    async def run(self, params: Mapping[str, str], *, idempotency_key: str) -> Mapping[str, Any]:
        """Note the call, then behave."""
        self.calls.append(params)
        result = await self.behave(params, idempotency_key)
        self.done.add(idempotency_key)
        return result

    async def reconcile(self, idempotency_key: str, params: Mapping[str, str]) -> Reconciled:  # noqa: ARG002 - the protocol's
        """Tell what is known."""
        return self.answer or (Reconciled.DONE if idempotency_key in self.done else Reconciled.RETRY)


@dataclass
class City:
    """A Responder with everything a test wants to look at."""

    responder: Responder
    ledger: Ledger
    connectors: dict[str, Effects]
    clock: FrozenClock
    store: PlaybookStore
    folder: Path

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Let the worker run meanwhile."""
        task = asyncio.create_task(self.responder.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, run_id: str, *statuses: RunStatus) -> RunStory:
        """Wait until a run has one of these statuses."""
        async with asyncio.timeout(15):
            while (story := await self.responder.story(run_id)).run.status not in statuses:  # noqa: ASYNC110 - another process may write it
                await asyncio.sleep(0.01)
        return story

    async def work_off(self, run_id: str, *statuses: RunStatus) -> RunStory:
        """Let the worker run until a run has one of these statuses (DONE when none is named)."""
        async with self.working():
            return await self.until(run_id, *(statuses or (RunStatus.DONE,)))


def city(pool: asyncpg.Pool, clock: FrozenClock, folder: Path, *, lease_s: float = 10.0) -> City:
    """Return a Responder with the shipped playbooks, a folder for more, and connectors that succeed."""
    ledger, store = Ledger(), PlaybookStore.on(pool)
    connectors = {name: Effects(name) for name in ("lock_account", "revoke_sessions", "quarantine_meter", "act")}
    typed: dict[str, Connector] = dict(connectors)
    responder = Responder(store, PlaybookFolders([folder]), typed, ledger, clock, lease_s=lease_s)
    return City(responder, ledger, connectors, clock, store, folder)


def alert(
    *users: str, playbook: str = LOCK, rule: str = "GR-001", alert_id: str = "alert-1", seq: int = 0,
    target_field: str = "user.name",
) -> SealedEvent:
    """Return a sealed alert as detection writes it."""
    return SealedEvent(seq, 0, {
        "event": {"action": "alert_raised", "kind": "alert"},
        "rule": {"id": rule, "name": "Credential stuffing"},
        "grid": {"alert": {
            "id": alert_id, "severity": "high", "group": {"source.ip": "203.0.113.9"},
            "window_start": "2026-11-18T11:00:00.000000Z", "playbook": playbook,
            "targets": {target_field: list(users)},
        }},
    })


def person(name: str) -> Principal:
    """Return a person."""
    return Principal(f"id-{name}", name, PrincipalKind.PERSON, frozenset({"soc_analyst"}))


def one_step(name: str, connector: str = "act", **more: str) -> str:
    """Return the text of a playbook with one step."""
    step = f"name: one, connector: {connector}, timeout_s: {more.get('timeout_s', '5')}"
    lines = [
        f"name: {name}", "title: A test", "start: {rules: any}",
        f"targets: {{field: user.name, max: {more.get('max', '5')}}}",
        f"approval: {more.get('approval', 'none')}",
        f"steps: [{{{step}, params: {{who: '{more.get('who', '${target}')}'}}}}]",
    ]
    return "\n".join(lines)


async def only_run(here: City) -> str:
    """Return the id of the one run there is."""
    (run,) = await here.responder.runs(None, 10)
    return run.run_id
