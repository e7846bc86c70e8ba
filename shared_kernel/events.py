"""Security events: Elastic Common Schema 9.5 documents, our own fields under `grid`.

An event is a plain JSON object, written once and hashed as the bytes it is. No floats: quantities are scaled integers.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from shared_kernel.clock import Clock, to_iso
from shared_kernel.context import RequestContext
from shared_kernel.ids import uuid7

Event = dict[str, Any]
ECS_VERSION = "9.5.0"


def security_event(  # noqa: PLR0913 - an event's required fields are ECS's, not ours to shorten
    clock: Clock,
    action: str,
    *,
    category: str,
    types: tuple[str, ...] = ("info",),
    outcome: str = "success",
    kind: str = "event",
    reason: str | None = None,
    context: RequestContext | None = None,
    event_id: str | None = None,
    **sections: Any,  # noqa: ANN401 - ECS field sets are open
) -> Event:
    """Return an ECS document; `sections` are top-level field sets merged over those the context gives."""
    about: Event = {"id": event_id or uuid7(), "kind": kind, "category": [category], "type": list(types),
                    "action": action, "outcome": outcome}
    if reason:
        about["reason"] = reason
    event: Event = {"@timestamp": to_iso(clock.now_us()), "ecs": {"version": ECS_VERSION}, "event": about}
    event |= _from_context(context)
    for name, value in sections.items():
        event[name] = {**event[name], **value} if isinstance(event.get(name), dict) else value
    return event


def _from_context(context: RequestContext | None) -> Event:
    if context is None:
        return {}
    principal = context.principal
    found: Event = {
        "user": {"id": principal.subject, "name": principal.name, "roles": sorted(principal.roles)},
        "source": {"ip": context.source_ip},
        "http": {"request": {"id": context.request_id}},
    }
    if context.user_agent:
        found["user_agent"] = {"original": context.user_agent}
    return found


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of sealing that a producer may keep: the entry's position (from 0) and its 32-byte hash."""

    seq: int
    entry_hash: bytes


@dataclass(frozen=True, slots=True)
class SealedEvent:
    """An event as a sequenced source holds it; `seq` orders it within that source."""

    seq: int
    recorded_at_us: int
    event: Event
    entry_hash: bytes = b""


class Recorder(Protocol):
    """Seals events.

    Returns only when the entry is durable; raises UnavailableError when it cannot, and then whatever
    was to be sealed must not take effect.
    """

    async def record(self, event: Event) -> Receipt:
        """Seal one event."""


class EventReader(Protocol):
    """Finds sealed events, newest first; every criterion given must match."""

    async def find(  # noqa: PLR0913 - one keyword a query column
        self, *, action: str | None = None, subject: str | None = None, request_id: str | None = None,
        dataset: str | None = None, before: int | None = None, limit: int = 100,
    ) -> list[SealedEvent]:
        """Return at most `limit` events with `seq < before`."""


class Subscriber(Protocol):
    """Consumes a source in order and remembers, atomically with its effects, how far it came."""

    async def position(self, source: str) -> int:
        """Return the next `seq` wanted from `source`; 0 at first."""

    async def observe(self, source: str, events: list[SealedEvent]) -> None:
        """Take events, ordered by `seq`; when this returns, they are never asked for again."""
