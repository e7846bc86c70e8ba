"""Bus: ordered topics; telemetry_events shows their messages as ECS documents."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from grid_services.domain.readings import TOPICS
from grid_services.store.bus_store import BusStore, Message
from shared_kernel.errors import NotFoundError
from shared_kernel.events import ECS_VERSION, SealedEvent

POLL_S = 1.0
"""A lost notification delays a reader by no more than this."""


class UnknownTopicError(NotFoundError):
    """A topic that does not exist."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"there is no topic {topic[:60]!r}: one of {', '.join(TOPICS)}")


class Bus:
    """Reads and waits; writing happens in the writers' own transactions."""

    def __init__(self, store: BusStore) -> None:
        self._store = store

    async def read(self, topic: str, after: int, limit: int) -> list[Message]:
        """Return at most `limit` messages with offset >= `after`, in order, none skipped."""
        _known(topic)
        return await self._store.read(topic, after, limit)

    async def topics(self) -> list[dict[str, Any]]:
        """Return each topic's next offset and its consumers' progress."""
        return await self._store.topics()

    async def wait(self, topic: str, offset: int, timeout_s: float) -> None:
        """Return when a message at `offset` exists, or when the time is over."""
        _known(topic)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._store.hearing(topic) as heard:
                while await self._store.next_offset(topic) <= offset:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(POLL_S):  # `wait_for` may swallow a cancellation (Python 3.11)
                            await heard.wait()
                    heard.clear()
                    await self._store.listen_again()

    async def check(self) -> None:
        """Raise UnavailableError when the bus does not answer."""
        await self._store.next_offset(TOPICS[0])


def telemetry_events(messages: Sequence[Message]) -> list[SealedEvent]:
    """Return one ECS document a message; quantities stay decimal text."""
    return [SealedEvent(one.offset, one.recorded_at_us, _document(one)) for one in messages]


def _document(message: Message) -> dict[str, Any]:
    fields = dict(message.body)
    event_id, observed_at, kind = (fields.pop(name) for name in ("event_id", "observed_at", "kind"))
    device = "meter" if kind == "meter_reading" else "sensor"
    fields["id"] = fields.pop(f"{device}_id")
    return {
        "@timestamp": observed_at, "ecs": {"version": ECS_VERSION},
        "event": {"id": event_id, "kind": "metric", "category": ["host"], "type": ["info"], "action": kind,
                  "outcome": "success"},
        "grid": {device: fields},
    }


def _known(topic: str) -> None:
    if topic not in TOPICS:
        raise UnknownTopicError(topic)
