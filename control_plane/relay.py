"""The relay: sequenced sources flow, in order, to those who subscribed; the ledger is the outbox.

A subscriber remembers its own position with its own effects, so a relay that dies and starts again neither skips
an event nor repeats an effect.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from prometheus_client import Counter, Gauge

from shared_kernel.errors import GridwardenError
from shared_kernel.events import SealedEvent, Subscriber

_log = structlog.get_logger()
_relayed = Counter("gridwarden_relay_events_total", "Events handed to a subscriber", ["source", "subscriber"])
_failures = Counter("gridwarden_relay_failures_total", "Batches a subscriber did not take", ["source", "subscriber"])
_position = Gauge("gridwarden_relay_position", "The next sequence number wanted", ["source", "subscriber"])

BATCH = 500
GATHER_S = 0.025
"""How long events gather while a subscriber keeps up: each batch costs it a transaction, whatever its size."""
RETRY_FIRST_S, RETRY_LAST_S = 0.2, 10.0


class Source(Protocol):
    """Something that can be read in order from a position and waited for."""

    async def read(self, after: int, limit: int) -> list[SealedEvent]:
        """Return at most `limit` events with `seq >= after`."""

    async def wait_beyond(self, seq: int, timeout_s: float) -> object:
        """Return when an event with that `seq` may exist, or when the time is over."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who hears which source."""

    source_name: str
    source: Source
    subscriber_name: str
    subscriber: Subscriber


async def relay(subscriptions: Sequence[Subscription]) -> None:
    """Carry events until cancelled; one slow or failing subscriber never holds up another."""
    leaving = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for subscription in subscriptions:
            group.create_task(_carry(subscription, leaving), name=f"relay {subscription.subscriber_name}")
        try:
            await asyncio.Event().wait()
        finally:
            leaving.set()


async def _carry(subscription: Subscription, leaving: asyncio.Event) -> None:
    pause = RETRY_FIRST_S
    while True:
        try:
            await _carry_until_failure(subscription)
        except (GridwardenError, OSError, TimeoutError) as error:
            _failures.labels(subscription.source_name, subscription.subscriber_name).inc()
            _log.warning("relay_retries", source=subscription.source_name, subscriber=subscription.subscriber_name,
                         error=str(error), after_s=pause)
        except Exception:  # noqa: BLE001 - a subscriber's defect must be seen and retried, not end the relay
            _failures.labels(subscription.source_name, subscription.subscriber_name).inc()
            _log.exception("relay_subscriber_failed", subscriber=subscription.subscriber_name)
        if leaving.is_set():
            return  # cancelled: a connection that breaks meanwhile raises its own error instead
        await asyncio.sleep(pause)
        pause = min(pause * 2, RETRY_LAST_S)


async def _carry_until_failure(subscription: Subscription) -> None:
    name, source, subscriber = subscription.source_name, subscription.source, subscription.subscriber
    labels = (name, subscription.subscriber_name)
    position = await subscriber.position(name)
    while True:
        _position.labels(*labels).set(position)
        events = await source.read(position, BATCH)
        if not events:
            with contextlib.suppress(TimeoutError):
                await source.wait_beyond(position, 30.0)
            continue
        await subscriber.observe(name, events)
        _relayed.labels(*labels).inc(len(events))
        position = events[-1].seq + 1
        if len(events) < BATCH:
            await asyncio.sleep(GATHER_S)
