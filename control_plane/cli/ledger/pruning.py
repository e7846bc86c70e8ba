"""What `prune` does: nothing goes that a copy or a witness still needs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.domain.archive.retention import PruneMark, prunable
from audit_ledger.domain.c2sp.tlog_policy import Policy
from audit_ledger.domain.errors import UncheckableError
from audit_ledger.service import Ledger
from audit_ledger.service.archive.retention import Progress, PruneRefusedError, Retention
from audit_ledger.service.copies.mirror import Mirror
from audit_ledger.service.copies.status import look
from audit_ledger.service.witness.witnessing import Witnessing
from audit_ledger.store.pruner import LedgerPruner, Prunes
from audit_ledger.store.reader import LedgerReader
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_PRUNER, LEDGER_READER
from control_plane.home import Home
from control_plane.parts import Audited
from shared_kernel.clock import SystemClock


@asynccontextmanager
async def retaining(ledger: Ledger, place: Home, owner: str, policy: Policy | None) -> AsyncIterator[Retention]:
    """Open what prunes, under roles of its own."""
    folder = LedgerFolder(keys=place.keys, checkpoints=place.checkpoints)
    key = folder.verifier()
    if key is None:
        raise UncheckableError(f"{place.root} has no ledger key: set GRIDWARDEN_HOME to the home of the ledger")
    readers = await open_pool(owner, LEDGER_READER, size=2)
    pruner = await open_pool(owner, LEDGER_PRUNER, size=1)
    try:
        yield Retention(
            ledger, LedgerReader(readers, key.name), Prunes(readers, key.name), LedgerPruner(pruner, key.name),
            folder=folder, key=key, clock=SystemClock(), policy=policy)
    finally:
        readers.terminate()
        pruner.terminate()


async def pruned(
    retention: Retention, audited: Audited, archive: Path, limits: tuple[int | None, int], progress: Progress,
) -> PruneMark:
    """Finish what an interrupted prune left, then delete what may go: (until, keep_days) are the limits."""
    until, keep_days = limits
    finished = await retention.finish(progress)
    size = await retention.proposed(keep_days) if until is None else until
    newest = await retention.newest()
    if finished and prunable(size) <= newest.size:
        return newest
    await _refuse_late_copies(audited.mirrors, prunable(size))
    await _refuse_late_witnesses(audited.witnessing, prunable(size))
    return await retention.prune(archive, until=size, keep_days=keep_days, progress=progress)


async def _refuse_late_copies(mirrors: Sequence[Mirror], size: int) -> None:
    """A copy that lacks what goes could never get it."""
    for mirror in mirrors:
        found = await look(mirror.copy, mirror.source)
        if found.size < size:
            raise PruneRefusedError(f"the copy {found.name} holds {found.size} of the {size} entries that would go"
                                    f"{f' ({found.reason})' if found.reason else ''}: let it catch up, or repair it")


async def _refuse_late_witnesses(witnessing: Witnessing | None, size: int) -> None:
    """A witness that lags gets its consistency proof from leaves that would be gone."""
    late = await witnessing.behind(size) if witnessing else []
    if late:
        raise PruneRefusedError(f"the witness {late[0]} has not yet cosigned {size} entries: let it catch up, or take "
                                "it out of the policy")
