"""What services append: their own ECS events, stamped so that nobody can take them for the product's.

A service's action is dotted (`billing.invoice_created`), the product's own never are, and `event.provider` is who
sent it. `grid.*` is ours, and no section may be written as a dotted name beside it: detection rules would read it.
With an idempotency key an event is sealed once, however often it is sent: the key goes into the entry as
`http.request.id`, by which the first receipt is found again, also after a restart; another event under it is refused.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from audit_ledger.domain.canonical import payload_of
from audit_ledger.domain.privacy.personal import shares_of, without
from audit_ledger.service.ledger import Ledger
from shared_kernel.clock import Clock, to_iso
from shared_kernel.context import RequestContext
from shared_kernel.errors import UnprocessableError
from shared_kernel.events import ECS_VERSION, Event, Receipt
from shared_kernel.ids import uuid7

ACTION = r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+"
MAX_ACTION = 128
KEY = r"[!-~]{1,255}"
CONNECTIONS = 3
"""How many of the readers' connections keyed events hold at most: each is alone with its key, in all processes."""
OUTCOMES = frozenset({"success", "failure", "unknown"})
_OURS = ("grid", "ecs", "@timestamp", "http")
_SET_BY_US = ("id", "provider", "kind", "ingested")


class ReusedKeyError(UnprocessableError):
    """The idempotency key sealed another event before (draft-ietf-httpapi-idempotency-key-header, section 2.7)."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"this idempotency key has sealed another event, entry {seq}: send a new key with a new event")


@dataclass(frozen=True, slots=True)
class Appended:
    """The receipt of a service's event; `is_repeat` when its idempotency key had been used before."""

    receipt: Receipt
    is_repeat: bool


class Intake:
    """The ledger's door for services."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger, self._clock = ledger, clock
        self._sending: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._connections = asyncio.Semaphore(CONNECTIONS)

    async def append(self, document: Any, *, context: RequestContext, key: str | None = None) -> Appended:  # noqa: ANN401 - any JSON value
        """Seal a service's event; the same key gives the first receipt again. UnprocessableError says what is wrong."""
        if key is not None and not re.fullmatch(KEY, key):
            raise UnprocessableError("an idempotency key is 1 to 255 printable ASCII characters without spaces")
        event = self._stamped(document, context)
        if key is None:
            return Appended(await self._ledger.record(event), is_repeat=False)
        mark = f"{context.principal.subject}/{key}"
        lock = self._sending.setdefault(mark, asyncio.Lock())
        async with lock, self._connections, self._ledger.alone(mark):
            known = await self._ledger.find(request_id=mark, limit=1)
            if known:
                if _said(known[0].event) != _said(event):
                    raise ReusedKeyError(known[0].seq)
                return Appended(Receipt(known[0].seq, known[0].entry_hash), is_repeat=True)
            event["http"] = {"request": {"id": mark}}
            return Appended(await self._ledger.record(event), is_repeat=False)

    def _stamped(self, document: Any, context: RequestContext) -> Event:  # noqa: ANN401 - any JSON value
        about = document.get("event") if isinstance(document, dict) else None
        if not isinstance(about, dict):
            raise UnprocessableError("an event is an ECS document with an `event` object: "
                                     '{"event": {"action": "billing.invoice_created"}}')
        _refuse(document, about)
        event: Event = {
            **document, "@timestamp": to_iso(self._clock.now_us()), "ecs": {"version": ECS_VERSION},
            "event": {"category": ["process"], "type": ["info"], "outcome": "success", **about, "id": uuid7(),
                      "kind": "event", "provider": context.principal.subject},
            "http": {"request": {"id": context.request_id}},
        }
        return event


def _refuse(document: dict[str, Any], about: dict[str, Any]) -> None:
    action = about.get("action")
    if not isinstance(action, str) or len(action) > MAX_ACTION or not re.fullmatch(ACTION, action):
        raise UnprocessableError("event.action names your service and what happened, dotted and in lower case: "
                                 "billing.invoice_created")
    outcome = about.get("outcome", "success")
    if not isinstance(outcome, str) or outcome not in OUTCOMES:
        raise UnprocessableError(f"event.outcome is one of {', '.join(sorted(OUTCOMES))}")
    dotted = next((name for name in document if "." in name), None)
    if dotted is not None:
        raise UnprocessableError(f'{dotted[:40]!r} is a dotted name: nest it, as in {{"event": {{"action": ...}}}}')
    taken = [name for name in _OURS if name in document] + [f"event.{name}" for name in _SET_BY_US if name in about]
    if taken:
        raise UnprocessableError(f"{', '.join(taken)} is set by the ledger: leave it out")


def _said(event: Event) -> bytes:
    """Return what the service itself said: without our stamps, and without what may have been erased since."""
    bare, _ = without(event, [path for share in shares_of(event) for path in share.fields])
    about = {name: value for name, value in bare["event"].items() if name not in _SET_BY_US}
    return payload_of({name: value for name, value in bare.items() if name not in _OURS} | {"event": about})
