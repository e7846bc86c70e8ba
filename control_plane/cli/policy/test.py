"""`gridwarden policy test`: whether policies decide their cases as wanted."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from control_plane.cli.options import AsJson
from control_plane.cli.progress import progress_bar

PlaceArgument = Annotated[Path | None, typer.Argument(
    exists=True, help="A folder of policies, or a bundle file; the shipped policies without it.")]
CasesOption = Annotated[Path | None, typer.Option(
    "--cases", exists=True, file_okay=False, help="A folder of cases; `cases` beside the policies without it.")]


def check_cases(
    place: PlaceArgument = None, *, cases: CasesOption = None,
    opa: Annotated[str | None, typer.Option(
        envvar="OPA_URL", help="Ask an OPA server for tests the same; it takes the policies over.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compile the policies, then put every case of `cases/*.json` and every `test_` rule of `*_test.rego` to them.

    Exit code 0: all as wanted. 1: something is not, or the policies must not decide at all.

    Examples:
        gridwarden policy test

        gridwarden policy test my-policies --json

        gridwarden policy test my-policies --opa http://127.0.0.1:8181
    """
    from control_plane.cli.policy.testing_desk import tested

    with progress_bar("testing", is_shown=not as_json) as progress:
        outcome = tested(place, cases, opa, progress)
    if as_json:
        typer.echo(orjson.dumps({"passed": outcome.passed, "failed": len(outcome.faults), "faults": outcome.faults}))
    else:
        for name, faults in outcome.faults.items():
            typer.echo(f"fail  {name}")
            for fault in faults:
                typer.echo(f"      {fault}")
        typer.echo(f"{outcome.passed} as wanted, {len(outcome.faults)} not")
    raise typer.Exit(1 if outcome.faults else 0)
