"""How often strangers may ask: counted before anything is looked up, so that a refusal tells nothing."""

from identity.domain.naming import network_of
from identity.service.foundation import SECOND_US, Foundation
from shared_kernel.context import RequestContext
from shared_kernel.errors import TooManyRequestsError
from shared_kernel.ids import uuid7

HOUR_US = 3_600 * SECOND_US
MAX_FROM_ADDRESS = 20
MAX_GUESSES = 10
MAX_MAILS = 3
"""Mails of one kind to one address in an hour: nobody's inbox is a target."""


class TooOftenError(TooManyRequestsError):
    """One address, or one account, asked too often."""

    def __init__(self) -> None:
        super().__init__("too many tries: wait an hour and try again")


class Guard:
    """Counts tries."""

    def __init__(self, foundation: Foundation) -> None:
        self._foundation = foundation

    async def from_address(self, kind: str, context: RequestContext) -> None:
        """Count one request of a network address; raise TooOftenError."""
        await self._count(kind, network_of(context.source_ip), MAX_FROM_ADDRESS)

    async def guess(self, kind: str, whose: str) -> None:
        """Count one guess at a secret of somebody; raise TooOftenError."""
        await self._count(kind, whose, MAX_GUESSES)

    async def _count(self, kind: str, whose: str, limit: int) -> None:
        now_us = self._foundation.now_us()
        async with self._foundation.database.begin() as tables:
            tries = await tables.tries.count(uuid7(), kind, whose, now_us=now_us, since_us=now_us - HOUR_US)
        if tries > limit:
            raise TooOftenError
