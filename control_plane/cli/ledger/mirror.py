"""`gridwarden ledger mirror status | repair`: the copies as tiles and in MongoDB."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from audit_ledger.domain.archive.copies import UnknownCopyError
from audit_ledger.domain.audit.finding import Verdict
from audit_ledger.domain.errors import UncheckableError
from audit_ledger.service.copies.status import State, Status, look
from control_plane.cli.ledger.desk import Desk, at_desk
from control_plane.cli.ledger.telling import visible
from control_plane.cli.options import AsJson, HomeOption, UrlOption
from control_plane.config import load_settings
from shared_kernel.clock import SystemClock

app = typer.Typer(help="The ledger's copies: how they are, and their repair.", no_args_is_help=True)

CopyOption = Annotated[str | None, typer.Option("--copy", metavar="tiles|mongo", help="Only this copy.")]

_EXITS = {State.DIVERGED: Verdict.TAMPERED, State.DOWN: Verdict.CANNOT_CHECK}


@app.command()
def status(*, name: CopyOption = None, as_json: AsJson = False, home: HomeOption = None, url: UrlOption = None) -> None:
    """Show how far each copy is, and whether it claims what the ledger signed; `verify --stores` rehashes it.

    Exit code 0: up to date. 3: behind. 4: diverged. 5: a copy does not answer.

    Example: gridwarden ledger mirror status --json
    """
    found = at_desk(home, url, lambda desk: _looked(desk, name, home, url))
    for each in found:
        _tell(each, as_json=as_json)
    raise typer.Exit(max(_exit_code(each) for each in found))


@app.command("repair")
def repair_copies(
    *, name: CopyOption = None, as_json: AsJson = False, home: HomeOption = None, url: UrlOption = None,
) -> None:
    """Make the copies equal to the ledger's newest checkpoint; every repair is an entry of the ledger.

    Only bytes proven to be under the signed checkpoint are written. While a product runs, ask it over HTTP.

    Example: gridwarden ledger mirror repair --copy mongo
    """
    from audit_ledger.service.copies.repair import Repair, repair
    from control_plane.cli.ledger.writing_desk import at_writing_desk, operator
    from control_plane.home import Home
    from control_plane.parts import Audited

    async def work(audited: Audited, _home: Home) -> list[Repair]:
        mirrors = [mirror for mirror in audited.mirrors if name in {None, mirror.copy.name}]
        if not mirrors:
            raise UnknownCopyError(str(name), [mirror.copy.name for mirror in audited.mirrors])
        return [await repair(mirror, audited.ledger, SystemClock(), context=operator()) for mirror in mirrors]

    done = at_writing_desk(
        home, url, work,
        instead=f"let it repair: POST /api/v1/ledger/copies/{name or 'tiles'}/repair at its gateway")
    for each in done:
        if as_json:
            typer.echo(orjson.dumps(each.to_json()))
        elif each.seq is None:
            typer.echo(f"{each.name}: equal to the checkpoint of {each.size} entries, nothing to repair")
        else:
            typer.echo(f"{each.name}: repaired {', '.join(map(str, each.found[:10]))}; {each.entries} entries written, "
                       f"sealed as entry {each.seq}")


async def _looked(desk: Desk, name: str | None, home: Path | None, url: str | None) -> list[Status]:
    from audit_ledger.service.copies.source import ProvenEntries
    from control_plane.wiring.copies import copies_of

    if desk.key is None:
        raise UncheckableError(f"{desk.home.root} has no verifier key: nothing a copy claims can be checked")
    copies = copies_of(desk.reader.stream, desk.home, load_settings(home=home, database_url=url))
    try:
        asked = [copy for copy in copies if name in {None, copy.name}]
        if not asked:
            raise UnknownCopyError(str(name), [copy.name for copy in copies])
        return [await look(copy, ProvenEntries(desk.reader, desk.key)) for copy in asked]
    finally:
        for copy in copies:
            await copy.close()


def _exit_code(found: Status) -> int:
    return int(_EXITS.get(found.state, Verdict.UNPROVEN if found.backlog else Verdict.GOOD))


def _tell(found: Status, *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps(found.to_json()))
        return
    what = found.reason or (f"{found.backlog} entries behind" if found.backlog else "up to date")
    typer.echo(f"{found.name:<6} {found.size:>9} of {found.published} published entries: {visible(what)}")
