"""For commands that seal an entry: the ledger led by this process, when nobody else leads it."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.domain.errors import AnotherSequencerError, UncheckableError
from control_plane.cli.connection import database
from control_plane.config import Settings, load_settings
from control_plane.home import Home
from control_plane.parts import Audited
from control_plane.signing_keys import vault_of
from control_plane.wiring.ledger import make_ledger
from control_plane.wiring.pools import opened
from shared_kernel.clock import SystemClock
from shared_kernel.context import RequestContext
from shared_kernel.errors import ConflictError
from shared_kernel.ids import uuid7
from shared_kernel.principal import Principal, PrincipalKind

_Answer = TypeVar("_Answer")


class RunningProductError(ConflictError):
    """The product holds the ledger's lead, and only the leader may do this."""

    def __init__(self, instead: str) -> None:
        super().__init__(f"a running gridwarden leads this ledger: stop it, or {instead}")


def at_writing_desk(
    home: Path | None, url: str | None, work: Callable[[Audited, Home], Awaitable[_Answer]],
    *, instead: str,
) -> _Answer:
    """Lead the ledger and do the work; `instead` says what to do while a product leads."""
    settings = load_settings(home=home, database_url=url)
    try:
        with database(home, url) as owner:
            return asyncio.run(_led(owner, settings, work))
    except AnotherSequencerError as cause:
        raise RunningProductError(instead) from cause


async def _led(
    url: str, settings: Settings, work: Callable[[Audited, Home], Awaitable[_Answer]],
) -> _Answer:
    home = Home(settings.home.resolve())
    if LedgerFolder(keys=home.keys, checkpoints=home.checkpoints).verifier() is None:
        raise UncheckableError(f"{home.root} has no ledger key: set GRIDWARDEN_HOME to the home of the ledger")
    with vault_of(settings) as vault:
        async with opened(url) as pools:
            audited = await make_ledger(pools, home, settings, SystemClock(), vault)
            await audited.ledger.start()
            try:
                return await work(audited, home)
            finally:
                await audited.ledger.leave()


def operator() -> RequestContext:
    """Return who acts: whoever may read this home's keys; the machine knows them by a number."""
    return RequestContext(uuid7(), principal=Principal("cli", f"uid {os.getuid()}", PrincipalKind.SERVICE))
