"""What a verification found, as people read it, and as a script does.

What stands in a ledger may be an attacker's: it reaches a terminal with its control characters written out, and is
never read as markup.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

import orjson
import typer
from rich.console import Console
from rich.table import Table

from audit_ledger.domain.audit.finding import Finding, Mode, Report, Verdict
from control_plane.cli.ledger.auditing import CopyOutcome
from shared_kernel.errors import GridwardenError


def visible(text: str) -> str:
    """Return text whose control and formatting characters are written out, so that they cannot steer a terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def cannot_check(cause: GridwardenError, *, as_json: bool) -> NoReturn:
    """Say why there is no report, and end with exit code 5."""
    if as_json:
        typer.echo(orjson.dumps({"verdict": "cannot_check", "exit_code": 5, "detail": cause.detail}))
    else:
        Console(stderr=True).print(f"cannot check: {visible(cause.detail)}", style="red", markup=False, highlight=False,
                                     soft_wrap=True)
    raise typer.Exit(int(Verdict.CANNOT_CHECK)) from cause


_WEIGHTS = (Verdict.GOOD, Verdict.UNPROVEN, Verdict.CANNOT_CHECK, Verdict.TAMPERED)
_SENTENCES = {
    Verdict.GOOD: ("green", "good: every entry is the one that was sealed"),
    Verdict.UNPROVEN: ("yellow", "good inside the database, but not held by a recent checkpoint outside it"),
    Verdict.TAMPERED: ("red", "TAMPERED: the ledger is not what was sealed"),
}


def tell(report: Report) -> None:
    """Print the verdict, every finding, and what still holds."""
    console = Console(file=sys.stdout, highlight=False, markup=False)
    verdict_of(report.verdict, report.findings)
    if report.stale:
        console.print(f"stale: {visible(report.stale)}", style="yellow")
    if report.dropped_findings:
        console.print(f"and {report.dropped_findings} more findings")
    rate = (report.size - report.since) * 1000 // max(report.duration_ms, 1)
    console.print(f"{visible(report.stream)}: {report.size} entries, root {report.root.hex()[:16]}, "
                  f"mode {report.mode}, {report.checkpoints_good} checkpoints hold, {rate:,} entries/s", soft_wrap=True)
    if report.since:
        console.print(f"rehashed from entry {report.since} on: what lies before is pruned, or --since left it out",
                      soft_wrap=True)
    if report.mode is not Mode.UNANCHORED:
        console.print(f"entries below {report.holds_to} are proven by a signed checkpoint; "
                      f"{report.anchored_size} are covered outside the database", soft_wrap=True)


def tell_copy(copy: CopyOutcome) -> None:
    """Print what was found of a copy."""
    if copy.reason is not None:
        typer.echo(f"copy {copy.name}: cannot check: {visible(copy.reason)}")
        return
    typer.echo(f"copy {copy.name}: {copy.size} entries rehashed{', behind the ledger' if copy.is_behind else ''}")
    verdict_of(Verdict.TAMPERED if copy.findings else Verdict.GOOD, copy.findings)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return what the exit code says of several stores: damage found in one outweighs that another does not answer."""
    return max(verdicts, key=_WEIGHTS.index)


def verdict_of(verdict: Verdict, findings: Sequence[Finding]) -> None:
    """Print the verdict and every finding."""
    console = Console(file=sys.stdout, highlight=False, markup=False)
    colour, sentence = _SENTENCES[verdict]
    console.print(sentence, style=colour)
    if not findings:
        return
    table = Table("entries", "what", "event", "time", "detail")
    for found in findings:
        place = str(found.seq) if found.seq == found.last_seq else f"{found.seq}-{found.last_seq}"
        table.add_row(place, str(found.kind), *map(visible, (found.action or "", found.event_time or "", found.detail)))
    console.print(table)
