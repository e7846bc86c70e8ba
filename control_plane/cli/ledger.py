"""`gridwarden ledger`: what an auditor types. Needs the database and the home's files, never a running gateway."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.domain.checkpoint import open_checkpoint
from audit_ledger.domain.errors import UncheckableError
from audit_ledger.domain.finding import Mode, Report, Verdict
from audit_ledger.domain.head import Entry
from audit_ledger.domain.note import VerifierKey
from audit_ledger.domain.proofs import proves_inclusion
from audit_ledger.service import Verifier
from audit_ledger.service.ledger import readable
from audit_ledger.service.prover import Prover
from audit_ledger.store.reader import LedgerReader
from control_plane.cli.connection import database
from control_plane.config import load_settings
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_READER
from control_plane.home import Home
from shared_kernel.clock import SystemClock, to_iso
from shared_kernel.errors import GridwardenError, NotFoundError

app = typer.Typer(help="The audit ledger: verify it, read it, prove one entry.", no_args_is_help=True)

HomeOption = Annotated[Path | None, typer.Option("--home", help="Data directory; GRIDWARDEN_HOME or ./var without it.")]
UrlOption = Annotated[str | None, typer.Option(
    "--database-url", help="PostgreSQL URL; DATABASE_URL, or the home's embedded server, without it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

PAGE_ROWS = 4_096
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Desk:
    """An auditor's desk: the ledger to read, and what is known of it outside the database."""

    reader: LedgerReader
    key: VerifierKey | None
    files: LedgerFolder | None


@app.command()
def verify(
    *, as_json: AsJson = False, home: HomeOption = None, url: UrlOption = None,
    since: Annotated[int, typer.Option(min=0, metavar="CHECKPOINT_SIZE", help="Start at this checkpoint.")] = 0,
) -> None:
    """Rehash every entry, hold the tree against every checkpoint, and name all damage.

    Exit code 0: good, and anchored in a checkpoint outside the database. 3: good, but unanchored or stale.
    4: tampered with. 5: cannot check (no ledger, no database).

    Examples:
        gridwarden ledger verify

        gridwarden ledger verify --json --since 100000

        gridwarden ledger verify --database-url postgresql://auditor@db/grid
    """
    with _progress(is_shown=not as_json) as progress:

        async def work(desk: Desk) -> Report:
            auditor = Verifier(desk.reader, SystemClock(), key=desk.key, outside=desk.files, page_rows=PAGE_ROWS)
            return await auditor.verify(progress, since=since)

        try:
            report = _at_desk(home, url, work)
        except GridwardenError as cause:
            _cannot_check(cause, as_json=as_json)
    if as_json:
        typer.echo(orjson.dumps(report.to_json()))
    else:
        _tell(report)
    raise typer.Exit(int(report.verdict))


@app.command()
def head(*, as_json: AsJson = False, home: HomeOption = None, url: UrlOption = None) -> None:
    """Show how long the ledger is and the hash of its last entry. Example: gridwarden ledger head --json."""
    async def work(desk: Desk) -> dict[str, object]:
        found = await desk.reader.head()
        if found is None:
            raise UncheckableError(f"the database does not know the ledger {desk.reader.stream}")
        return {"stream": desk.reader.stream, "size": found.size, "entry_hash": found.entry_hash.hex()}

    answer = _at_desk(home, url, work)
    if as_json:
        typer.echo(orjson.dumps(answer))
    else:
        typer.echo(f"{answer['stream']}: {answer['size']} entries, last {answer['entry_hash']}")


@app.command()
def tail(
    *, count: Annotated[int, typer.Option("--count", "-n", min=1, max=1_000, help="How many.")] = 20,
    as_json: AsJson = False, home: HomeOption = None, url: UrlOption = None,
) -> None:
    """Show the last entries, one a line. Example: gridwarden ledger tail -n 5 --json."""
    async def work(desk: Desk) -> list[Entry]:
        return (await desk.reader.find({}, None, count))[::-1]

    for entry in _at_desk(home, url, work):
        if as_json:
            typer.echo(orjson.dumps({"seq": entry.seq, "recorded_at": to_iso(entry.recorded_at_us),
                                     "entry_hash": entry.entry_hash.hex(), "event": readable(entry.payload)}))
        else:
            named = entry.columns
            typer.echo(f"{entry.seq:>9}  {to_iso(entry.recorded_at_us)}  {named.action or '-':<24} "
                       f"{named.outcome or '-':<8} {named.subject or '-'}")


@app.command()
def checkpoint(*, home: HomeOption = None, url: UrlOption = None) -> None:
    """Print the newest signed checkpoint (C2SP signed note). Example: gridwarden ledger checkpoint > today.note."""
    async def work(desk: Desk) -> bytes:
        note = await desk.reader.checkpoint_before(2**62)
        if note is None:
            raise NotFoundError("no checkpoint is published yet")
        return note

    typer.echo(_at_desk(home, url, work).decode(), nl=False)


@app.command()
def prove(
    seq: Annotated[int, typer.Argument(min=0, help="The entry's position, as its receipt says.")],
    *, home: HomeOption = None, url: UrlOption = None,
) -> None:
    """Print the proof, as JSON, that entry SEQ is under the newest signed checkpoint; checked before it is printed.

    Example: gridwarden ledger prove 4711 > entry-4711.proof.json
    """
    async def work(desk: Desk) -> dict[str, object]:
        note = await desk.reader.checkpoint_before(2**62)
        if note is None or desk.key is None:
            raise NotFoundError("there is no checkpoint, or no verifier key in this home: nothing to prove against")
        signed = open_checkpoint(note, desk.reader.stream, desk.key)
        if seq >= signed.size:
            raise NotFoundError(f"the newest checkpoint covers {signed.size} entries: {seq} is not yet among them")
        proof = await Prover(desk.reader).inclusion(seq, signed.size)
        if not proves_inclusion(proof.leaf, seq, signed.size, proof.path, signed.root):
            raise UncheckableError(f"entry {seq} is not under the signed root: run `gridwarden ledger verify`")
        return {"seq": seq, "size": signed.size, "leaf_hash": proof.leaf.hex(),
                "path": [step.hex() for step in proof.path], "root": signed.root.hex(), "checkpoint": note.decode()}

    typer.echo(orjson.dumps(_at_desk(home, url, work), option=orjson.OPT_INDENT_2))


def _at_desk(home: Path | None, url: str | None, work: Callable[[Desk], Awaitable[_Answer]]) -> _Answer:
    place = Home(load_settings(home=home, database_url=url).home.resolve())
    files = LedgerFolder(keys=place.keys, checkpoints=place.checkpoints)

    async def run(owner: str) -> _Answer:
        async with _desk(owner, files) as desk:
            return await work(desk)

    with database(home, url) as owner:
        return asyncio.run(run(owner))


@contextlib.asynccontextmanager
async def _desk(url: str, files: LedgerFolder) -> AsyncIterator[Desk]:
    """The stream is the key's; without a key it is the database's only one, and nothing is anchored."""
    pool = await open_pool(url, LEDGER_READER, size=2)
    try:
        key = files.verifier()
        streams = [key.name] if key else await LedgerReader(pool, "").streams()
        if len(streams) != 1:
            raise UncheckableError("the database has no ledger, or several and this home has no key to tell which")
        yield Desk(LedgerReader(pool, streams[0], url), key, files if key else None)
    finally:
        pool.terminate()


@contextlib.contextmanager
def _progress(*, is_shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar with the rate on standard error; nothing when that is piped."""
    console = Console(stderr=True)
    if not is_shown or not console.is_terminal:
        yield lambda _done, _total: None
        return
    columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
               TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("verify", total=None, rate="")

        def seen(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, rate=f"{bar.tasks[0].speed or 0:,.0f}/s")

        yield seen


def _cannot_check(cause: GridwardenError, *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps({"verdict": "cannot_check", "exit_code": 5, "detail": cause.detail}))
    else:
        Console(stderr=True).print(f"cannot check: {cause.detail}", style="red", markup=False, highlight=False,
                                     soft_wrap=True)
    raise typer.Exit(int(Verdict.CANNOT_CHECK)) from cause


_SENTENCES = {
    Verdict.GOOD: ("green", "good: every entry is the one that was sealed"),
    Verdict.UNANCHORED: ("yellow", "good inside the database, but not held by a recent checkpoint outside it"),
    Verdict.TAMPERED: ("red", "TAMPERED: the ledger is not what was sealed"),
}


def _tell(report: Report) -> None:
    console = Console(file=sys.stdout, highlight=False)
    colour, sentence = _SENTENCES[report.verdict]
    console.print(sentence, style=colour)
    if report.findings:
        table = Table("entries", "what", "event", "time", "detail")
        for found in report.findings:
            place = str(found.seq) if found.seq == found.last_seq else f"{found.seq}-{found.last_seq}"
            table.add_row(place, str(found.kind), found.action or "", found.event_time or "", found.detail)
        console.print(table)
    if report.dropped_findings:
        console.print(f"and {report.dropped_findings} more findings")
    rate = (report.size - report.since) * 1000 // max(report.duration_ms, 1)
    console.print(f"{report.stream}: {report.size} entries, root {report.root.hex()[:16]}, mode {report.mode}, "
                  f"{report.checkpoints_good} checkpoints hold, {rate:,} entries/s", soft_wrap=True)
    if report.mode is Mode.ANCHORED:
        console.print(f"entries below {report.holds_to} are proven by a signed checkpoint; "
                      f"{report.anchored_size} are covered outside the database", soft_wrap=True)
