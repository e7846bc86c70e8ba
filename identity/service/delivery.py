"""Sending what is queued: forever, a batch at a time, outliving outages of the database and of the receivers."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from shared_kernel.errors import UnavailableError

POLL_S = 1.0
"""How soon a message goes out when nothing else is waiting."""

BATCH = 20
"""How many messages one process sends at the same time."""

_log = structlog.get_logger()


async def deliver_all(deliveries: Iterable[Awaitable[None]]) -> None:
    """Await every delivery to its end, whatever becomes of the others; then raise the first failure."""
    outcomes = await asyncio.gather(*deliveries, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


async def deliver_forever(deliver_due: Callable[[], Awaitable[int]], what: str) -> None:
    """Call `deliver_due` again and again; rest when it had nothing to do or could not."""
    while True:
        try:
            count = await deliver_due()
        except UnavailableError as error:
            _log.warning("delivery_waits", what=what, error=error.detail)
            count = 0
        if count == 0:
            await asyncio.sleep(POLL_S)
