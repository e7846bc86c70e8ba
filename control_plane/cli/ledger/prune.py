"""`gridwarden ledger prune`: delete what a verified archive holds, and seal that it went."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from audit_ledger.domain.archive.retention import PruneMark
from audit_ledger.domain.c2sp.policy_file import read_policy
from control_plane.cli.connection import database
from control_plane.cli.options import AsJson, HomeOption, UrlOption
from control_plane.cli.progress import progress_bar
from control_plane.home import Home
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
    from control_plane.cli.ledger.pruning import pruned, retaining
    from control_plane.cli.ledger.writing_desk import at_writing_desk
    from control_plane.parts import Audited

    if until is None and keep_days is None:
        raise InvalidInputError("say what may go: --until SIZE, --keep-days N, or both")
    if not is_sure:
        typer.confirm(f"Delete entries that {archive} holds? They will be in that file only", abort=True)
    trusted = read_policy(policy.read_bytes()) if policy else None
    with database(home, url) as owner, progress_bar("pruning", is_shown=not as_json) as progress:

        async def work(audited: Audited, place: Home) -> PruneMark:
            async with retaining(audited.ledger, place, owner, trusted) as retention:
                return await pruned(retention, audited, archive, (until, keep_days or 0), progress)

        mark = at_writing_desk(home, url, work, instead="wait for its next stop: then prune, then start it")
    typer.echo(_told(mark, archive, as_json=as_json))


def _told(mark: PruneMark, archive: Path, *, as_json: bool) -> str | bytes:
    if as_json:
        return orjson.dumps({"size": mark.size, "root": mark.root.hex(), "archive_sha256": mark.archive_sha256.hex()})
    return f"entries below {mark.size} are gone; keep {archive}, SHA-256 {mark.archive_sha256.hex()}"
