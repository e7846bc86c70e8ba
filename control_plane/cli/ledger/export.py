"""`gridwarden ledger export`: entries, proofs and checkpoints in one zip that an auditor checks without us."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from audit_ledger.domain.archive.bundle import Manifest
from audit_ledger.domain.errors import UncheckableError
from audit_ledger.service.archive.export import Exporter, Request
from audit_ledger.store.cosignatures import Cosignatures
from audit_ledger.store.pruner import Prunes
from control_plane.cli.ledger.desk import Desk, at_desk
from control_plane.cli.options import AsJson, HomeOption, UrlOption
from control_plane.cli.progress import progress_bar
from shared_kernel.errors import InvalidInputError

NEWEST = "checkpoint"


def export(  # noqa: PLR0913 - one keyword an option
    *, to: Annotated[Path, typer.Option("--to", metavar="FILE.zip", help="A new file.")],
    since: Annotated[int | None, typer.Option("--from", min=0, metavar="SEQ", help="First entry.")] = None,
    until: Annotated[str, typer.Option("--until", metavar="SEQ|checkpoint", help="Up to, not including.")] = NEWEST,
    entries: Annotated[list[int] | None, typer.Option(
        "--entry", min=0, metavar="SEQ", help="One entry with its own proof; repeat.")] = None,
    as_json: AsJson = False, home: HomeOption = None, url: UrlOption = None,
) -> None:
    """Write a bundle that an auditor checks without us: python3 verify.py FILE.zip --policy HIS_POLICY.

    Without a range: everything under the newest signed checkpoint, or with --entry those entries alone.

    Examples:
        gridwarden ledger export --to 2026.zip

        gridwarden ledger export --to case-7.zip --entry 4711 --entry 4712
    """
    request = Request(since, _until(until), tuple(sorted({*(entries or ())})))
    with progress_bar("exporting", is_shown=not as_json) as progress:

        async def work(desk: Desk) -> Manifest:
            if desk.key is None:
                raise UncheckableError("this home has no ledger key: nothing could be told signed from unsigned")
            stream = desk.reader.stream
            exporter = Exporter(desk.reader, Cosignatures(desk.pool, desk.pool, stream), Prunes(desk.pool, stream),
                                desk.key)
            return await exporter.export(to, request, progress)

        made = at_desk(home, url, work)
    if as_json:
        typer.echo(orjson.dumps({"file": str(to), "stream": made.stream, "from": made.first, "until": made.until,
                                 "entries": list(made.singles), "size": made.size}))
    else:
        what = f"{made.until - made.first} entries from {made.first} on" if made.until else "single entries"
        more = f" and {len(made.singles)} single" if made.singles and made.until else ""
        typer.echo(f"{to}: {what}{more}, under the signed checkpoint of {made.size}")


def _until(text: str) -> int | None:
    if text == NEWEST:
        return None
    if not text.isascii() or not text.isdigit():
        raise InvalidInputError(f"--until takes a position or the word {NEWEST}, not {text!r}")
    return int(text)
