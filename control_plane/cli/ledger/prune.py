"""`gridwarden ledger prune`: delete what a verified archive holds, and seal that it went."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import orjson
import typer

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.domain.errors import UncheckableError
from audit_ledger.domain.policy_file import read_policy
from audit_ledger.domain.retention import PruneMark, prunable
from audit_ledger.domain.tlog_policy import Policy
from audit_ledger.service import Ledger
from audit_ledger.service.mirror import Mirror
from audit_ledger.service.mirror_status import look
from audit_ledger.service.retention import Progress, PruneRefusedError, Retention
from audit_ledger.store.pruner import LedgerPruner, Prunes
from audit_ledger.store.reader import LedgerReader
from control_plane.cli.connection import database
from control_plane.cli.ledger.desk import AsJson, HomeOption, UrlOption, progress_bar
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_PRUNER, LEDGER_READER
from control_plane.home import Home
from shared_kernel.clock import SystemClock
from shared_kernel.errors import InvalidInputError


def prune(  # noqa: PLR0913 - one keyword an option
    *, archive: Annotated[Path, typer.Option("--archive", metavar="FILE.zip", help="What `export` wrote; keep it.")],
    until: Annotated[int | None, typer.Option(min=1, metavar="SIZE", help="Entries below it go.")] = None,
    keep_days: Annotated[int | None, typer.Option(min=0, metavar="N", help="Younger entries stay.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Hold the archive against this policy's witnesses too.")] = None,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False, home: HomeOption = None, url: UrlOption = None,
) -> None:
    """Delete entries from the database that ARCHIVE holds byte for byte; the ledger keeps an entry that says so.

    The archive is verified first. Sizes are rounded down to a multiple of 256. An interrupted prune goes on when the
    command is given again. A running product must be stopped: the prune is an entry, and one process leads.

    Examples:
        gridwarden ledger prune --archive 2026.zip --keep-days 365

        gridwarden ledger prune --archive 2026.zip --until 100000 --yes
    """
    from control_plane.cli.ledger.writing_desk import at_writing_desk
    from control_plane.parts import Audited

    if until is None and keep_days is None:
        raise InvalidInputError("say what may go: --until SIZE, --keep-days N, or both")
    if not is_sure:
        typer.confirm(f"Delete entries that {archive} holds? They will be in that file only", abort=True)
    trusted = read_policy(policy.read_bytes()) if policy else None
    with database(home, url) as owner, progress_bar("pruning", is_shown=not as_json) as progress:

        async def work(audited: Audited, place: Home) -> PruneMark:
            async with _retention(audited.ledger, place, owner, trusted) as retention:
                return await _pruned(retention, audited.mirrors, archive, (until, keep_days or 0), progress)

        mark = at_writing_desk(home, url, work, instead="wait for its next stop: then prune, then start it")
    typer.echo(_told(mark, archive, as_json=as_json))


@asynccontextmanager
async def _retention(ledger: Ledger, place: Home, owner: str, policy: Policy | None) -> AsyncIterator[Retention]:
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


async def _pruned(
    retention: Retention, mirrors: Sequence[Mirror], archive: Path, limits: tuple[int | None, int], progress: Progress,
) -> PruneMark:
    until, keep_days = limits
    finished = await retention.finish(progress)
    size = await retention.proposed(keep_days) if until is None else until
    newest = await retention.newest()
    if finished and prunable(size) <= newest.size:
        return newest
    await _refuse_late_copies(mirrors, prunable(size))
    return await retention.prune(archive, until=size, keep_days=keep_days, progress=progress)


async def _refuse_late_copies(mirrors: Sequence[Mirror], size: int) -> None:
    """A copy that lacks what goes could never get it."""
    for mirror in mirrors:
        found = await look(mirror.copy, mirror.source)
        if found.size < size:
            raise PruneRefusedError(f"the copy {found.name} holds {found.size} of the {size} entries that would go"
                                    f"{f' ({found.reason})' if found.reason else ''}: let it catch up, or repair it")


def _told(mark: PruneMark, archive: Path, *, as_json: bool) -> str | bytes:
    if as_json:
        return orjson.dumps({"size": mark.size, "root": mark.root.hex(), "archive_sha256": mark.archive_sha256.hex()})
    return f"entries below {mark.size} are gone; keep {archive}, SHA-256 {mark.archive_sha256.hex()}"
