"""Waiting for what other processes and servers do: there is no event to wait for but the thing itself."""

import asyncio
from collections.abc import Callable

from audit_ledger.service import Ledger
from shared_kernel.errors import UnavailableError


async def until(is_so: Callable[[], bool], deadline_s: float = 20.0) -> None:
    """Return when something is true, fail when it is not in time."""
    async with asyncio.timeout(deadline_s):
        while not is_so():  # noqa: ASYNC110 - what is waited for is outside this process
            await asyncio.sleep(0.02)


async def until_sealing(ledger: Ledger) -> None:
    """Return when records are taken again."""
    await until(lambda: refusal_of(ledger) is None, 10)


def refusal_of(ledger: Ledger) -> UnavailableError | None:
    """Return why records are refused now."""
    try:
        ledger.refuse_unless_sealing()
    except UnavailableError as refusal:
        return refusal
    return None
