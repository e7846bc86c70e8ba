"""`gridwarden policy coverage`: which lines of the policies no case and no test reaches."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from control_plane.cli.options import AsJson
from control_plane.cli.policy.test import CasesOption, PlaceArgument
from control_plane.cli.progress import progress_bar

if TYPE_CHECKING:  # the desk brings the whole product, which --help does not need
    from policy_engine.adapters.policy_trial import Lines

_BAR = 20


def coverage(
    place: PlaceArgument = None, *, cases: CasesOption = None,
    threshold: Annotated[float, typer.Option(
        "--threshold", min=0, max=100, help="Fail when fewer per cent of the lines are reached.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Run the cases and tests and show, file by file, how much of the policies they reach and which lines they miss.

    Exit code 0: at least the threshold. 1: less, or a case fails: then the figure means nothing.

    Examples:
        gridwarden policy coverage

        gridwarden policy coverage my-policies --threshold 95

        gridwarden policy coverage my-policies --json | jq '.files[] | select(.missed != [])'
    """
    from control_plane.cli.policy.testing_desk import tested

    with progress_bar("testing", is_shown=not as_json) as progress:
        outcome = tested(place, cases, None, progress)
    percent = _percent(outcome.lines)
    if as_json:
        files: list[dict[str, Path | object]] = [
            {"file": each.file, "percent": _percent((each,)), "covered": each.covered, "missed": each.missed}
            for each in outcome.lines]
        typer.echo(orjson.dumps({"percent": percent, "failed": len(outcome.faults), "files": files}))
    else:
        _tell(outcome.lines)
        typer.echo(f"{percent:.1f} per cent of the lines reached, {len(outcome.faults)} cases not as wanted")
    raise typer.Exit(1 if outcome.faults or percent < threshold else 0)


def _tell(lines: "tuple[Lines, ...]") -> None:
    table = Table("policy", "reached", "", "lines no case reaches")
    for each in lines:
        percent = _percent((each,))
        filled = round(percent / 100 * _BAR)
        table.add_row(each.file, f"{percent:.0f} %", "#" * filled + "." * (_BAR - filled), _ranges(each.missed))
    Console(width=None if Console().is_terminal else 120).print(table)


def _percent(lines: "tuple[Lines, ...]") -> float:
    covered, missed = sum(len(each.covered) for each in lines), sum(len(each.missed) for each in lines)
    return round(100 * covered / (covered + missed), 1) if covered + missed else 100.0


def _ranges(numbers: tuple[int, ...]) -> str:
    """Return `3, 7-9` of 3, 7, 8, 9."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
