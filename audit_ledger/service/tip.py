"""The end of the ledger as this process knows it, whoever leads."""

import asyncio

from audit_ledger.domain.head import Head


class Tip:
    """Only grows; wakes those who wait for it to."""

    def __init__(self) -> None:
        self.head = Head()
        self._moved = asyncio.Condition()

    async def reached(self, head: Head) -> None:
        """Take note of a committed head; an older one than the known is no news."""
        async with self._moved:
            if head.size > self.head.size:
                self.head = head
            self._moved.notify_all()

    async def wait_beyond(self, seq: int, timeout_s: float | None) -> bool:
        """Return True as soon as the ledger holds an entry at position `seq`, False after the timeout."""
        if self.head.size > seq:
            return True
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(lambda: self.head.size > seq)
        except TimeoutError:
            return False
        return True
