"""The relay carries every event once and in order, whatever a subscriber does."""

import asyncio

from control_plane.relay import Subscription, relay
from shared_kernel.errors import UnavailableError
from shared_kernel.events import SealedEvent


class _Source:
    def __init__(self, count: int) -> None:
        self.events = [SealedEvent(seq, 0, {"n": seq}) for seq in range(count)]

    async def read(self, after: int, limit: int) -> list[SealedEvent]:
        return self.events[after:after + limit]

    async def wait_beyond(self, seq: int, timeout_s: float) -> None:  # noqa: ARG002 - the protocol's
        await asyncio.sleep(0.01)


class _Subscriber:
    def __init__(self, *, failures: int = 0) -> None:
        self.seen: list[int] = []
        self.failures = failures

    async def position(self, source: str) -> int:  # noqa: ARG002 - the protocol's
        return len(self.seen)

    async def observe(self, source: str, events: list[SealedEvent]) -> None:  # noqa: ARG002 - the protocol's
        if self.failures:
            self.failures -= 1
            raise RuntimeError("not now")
        self.seen += [event.seq for event in events]


async def _run(wanted: int, *subscriptions: Subscription) -> None:
    """Relay until every subscriber has seen `wanted` events, ten seconds at most."""
    task = asyncio.create_task(relay(subscriptions))
    seen = [subscription.subscriber for subscription in subscriptions]
    for _ in range(200):
        if all(len(one.seen) >= wanted for one in seen if isinstance(one, _Subscriber)):
            break
        await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_events_arrive_in_order_and_once() -> None:
    source, subscriber = _Source(1_200), _Subscriber()

    await _run(1_200, Subscription("ledger", source, "one", subscriber))

    assert subscriber.seen == list(range(1_200))


async def test_a_failing_subscriber_is_retried_and_holds_up_nobody() -> None:
    source, failing, well = _Source(30), _Subscriber(failures=1), _Subscriber()

    await _run(
        30, Subscription("ledger", source, "failing", failing), Subscription("ledger", source, "well", well),
    )

    assert well.seen == list(range(30))
    assert failing.seen == list(range(30))


class _BreakingSource(_Source):
    async def wait_beyond(self, seq: int, timeout_s: float) -> None:  # noqa: ARG002 - the protocol's
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as cause:
            raise UnavailableError("the connection was closed in the middle of operation") from cause


async def test_a_relay_whose_source_breaks_while_it_is_cancelled_ends() -> None:
    task = asyncio.create_task(relay([Subscription("ledger", _BreakingSource(0), "one", _Subscriber())]))
    await asyncio.sleep(0.01)
    task.cancel()

    ended, _ = await asyncio.wait([task], timeout=5)

    assert ended
