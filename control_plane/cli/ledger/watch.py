"""`gridwarden ledger watch`: an auditor who does not go home."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from audit_ledger.domain.audit.finding import Report, Verdict
from audit_ledger.domain.c2sp.checkpoint import open_checkpoint
from audit_ledger.domain.c2sp.policy_file import read_policy
from audit_ledger.domain.errors import MalformedNoteError, UncheckableError, UntrustedNoteError
from control_plane.cli.ledger.auditing import Brought, only_log, verified
from control_plane.cli.ledger.desk import Desk, at_desk
from control_plane.cli.ledger.telling import cannot_check, visible
from control_plane.cli.ledger.verify import PolicyOption
from control_plane.cli.options import AsJson, HomeOption, UrlOption
from shared_kernel.clock import SystemClock, to_iso
from shared_kernel.errors import GridwardenError

_COLOURS = {Verdict.GOOD: "green", Verdict.UNPROVEN: "yellow", Verdict.TAMPERED: "red"}


def watch(  # noqa: PLR0913 - one keyword an option
    *, every_s: Annotated[float, typer.Option("--every", min=0.1, metavar="SECONDS", help="Between two looks.")] = 10.0,
    rounds: Annotated[int | None, typer.Option(min=1, help="Stop after so many looks.")] = None,
    as_json: AsJson = False, policy: PolicyOption = None, home: HomeOption = None, url: UrlOption = None,
) -> None:
    """Verify everything once, then whatever is new, again and again; remember every checkpoint seen.

    What was seen cannot be taken back: a ledger that rewrites it is caught, also by somebody who has the key. Ends with
    exit code 4 at the first finding; Ctrl-C ends it otherwise.

    Examples:
        gridwarden ledger watch --every 60

        gridwarden ledger watch --rounds 3 --json
    """
    trusted = read_policy(Path(policy).read_bytes()) if policy else None
    try:
        verdict = at_desk(home, url, lambda desk: _watched(desk, Brought(trusted), (every_s, rounds), as_json=as_json),
                          key=only_log(trusted))
    except GridwardenError as cause:
        cannot_check(cause, as_json=as_json)
    raise typer.Exit(int(verdict))


async def _watched(desk: Desk, brought: Brought, pace: tuple[float, int | None], *, as_json: bool) -> Verdict:
    """Look again from the newest checkpoint seen; a look that finds something goes over everything once more."""
    every_s, rounds = pace
    since, before = 0, 0
    while True:
        try:
            report = await verified(desk, brought, since, None)
        except UncheckableError:
            if not since:
                raise
            since = 0  # what was seen is not what is stored: find out what it is
            continue
        _tell(report, report.size - before, as_json=as_json)
        rounds = None if rounds is None else rounds - 1
        if report.verdict is Verdict.TAMPERED or rounds == 0:
            return report.verdict
        brought, since, before = await _remembered(desk, brought, since, report.size)
        await asyncio.sleep(every_s)


async def _remembered(desk: Desk, brought: Brought, since: int, size: int) -> tuple[Brought, int, int]:
    """Keep the newest checkpoint whose entries were just verified: nobody can take it from this process."""
    note = await desk.reader.checkpoint_before(size)
    if note is None or desk.key is None:
        return brought, since, size
    try:
        signed = open_checkpoint(note, desk.reader.stream, desk.key)
    except (MalformedNoteError, UntrustedNoteError):
        return brought, 0, size
    return replace(brought, notes=(note,)), signed.size, size


def _tell(report: Report, grown: int, *, as_json: bool) -> None:
    at = to_iso(SystemClock().now_us())
    if as_json:
        typer.echo(orjson.dumps({"at": at, "grown": grown, **report.to_json()}))
        return
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True, markup=False)
    console.print(f"{at}  {report.verdict.name.lower()}  {report.size} entries ({grown:+d}), {report.mode}, "
                  f"signed to {report.holds_to}" + (f", stale: {visible(report.stale)}" if report.stale else ""),
                  style=_COLOURS[report.verdict])
    for found in report.findings:
        console.print(f"    {found.kind} at {found.seq}: {visible(found.detail)}")
