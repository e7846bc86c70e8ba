"""One reading of the ledger for all who hear it: what one subscriber was given, the next gets without reading it again.

Reading back an entry (PostgreSQL, JSON, opening its sealed fields) costs as much as a third of deciding the request it
is about, for each subscriber. Entries never change; an opened personal field is forgotten FRESH_S after it was read, so
that an erasure holds.
"""

import asyncio
from collections import deque
from typing import Protocol

from shared_kernel.events import SealedEvent

BATCHES, FRESH_S = 16, 2.0


class Followed(Protocol):
    """The ledger, as its followers see it."""

    async def follow(self, after: int, limit: int) -> list[SealedEvent]:
        """Return at most `limit` events with `seq >= after`."""

    async def wait_beyond(self, seq: int, timeout_s: float) -> object:
        """Return when an event with that `seq` may exist, or when the time is over."""


class SharedReading:
    """A source in front of the ledger; subscribers must leave the events as they are."""

    def __init__(self, source: Followed) -> None:
        self._source = source
        self._batches: deque[tuple[float, list[SealedEvent]]] = deque(maxlen=BATCHES)

    async def read(self, after: int, limit: int) -> list[SealedEvent]:
        """Return at most `limit` events with `seq >= after`."""
        now_s = asyncio.get_running_loop().time()
        while self._batches and now_s - self._batches[0][0] > FRESH_S:
            self._batches.popleft()
        for _, batch in self._batches:
            if batch[0].seq <= after <= batch[-1].seq and batch[after - batch[0].seq].seq == after:
                return batch[after - batch[0].seq:][:limit]
        found = await self._source.follow(after, limit)
        if found and found[-1].seq - found[0].seq == len(found) - 1:
            self._batches.append((now_s, found))
        return found

    async def wait_beyond(self, seq: int, timeout_s: float) -> object:
        """Return when an event with that `seq` may exist, or when the time is over."""
        return await self._source.wait_beyond(seq, timeout_s)
