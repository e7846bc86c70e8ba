"""`gridwarden rules`: what is loaded, and whether a folder of rules proves itself."""

from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from control_plane.cli.options import AsJson
from siem_rules.service.rule_folder import RuleFolders, shipped_rules
from siem_rules.service.samples import Verdict, check

app = typer.Typer(help="Detection rules (Sigma).", no_args_is_help=True)

Folder = Annotated[
    Path | None, typer.Argument(exists=True, file_okay=False, help="The folder of rules; the shipped ones without it."),
]


@app.command("list")
def list_rules(folder: Folder = None, *, as_json: AsJson = False) -> None:
    """List the rules of a folder, with what they detect."""
    ruleset = RuleFolders([folder or shipped_rules()]).read()
    rows = [
        {"id": rule.rule_id, "detection": profile.detection, "title": profile.title, "severity": profile.severity,
         "techniques": list(profile.techniques), "playbook": profile.playbook, "file": rule.label}
        for rule in sorted(ruleset.rules, key=lambda rule: rule.rule_id) for profile in rule.profiles
    ]
    if as_json:
        typer.echo(orjson.dumps(rows))
        return
    table = Table("rule", "title", "severity", "ATT&CK", "playbook")
    for row in rows:
        table.add_row(str(row["id"]), str(row["title"]), str(row["severity"]), " ".join(row["techniques"] or ()),
                      str(row["playbook"] or ""))
    Console().print(table)


@app.command("check")
def check_rules(folder: Folder = None, *, as_json: AsJson = False) -> None:
    """Compile the rules of a folder and run the samples beside them; exit 1 when one fails."""
    verdicts = check(folder or shipped_rules())
    if not verdicts:
        typer.echo(f"there is no rule (*.yml) in {folder}: name the folder that holds your rules", err=True)
        raise typer.Exit(1)
    if as_json:
        typer.echo(orjson.dumps([
            {"file": verdict.label, "rule": verdict.rule_id, "problems": list(verdict.problems)} for verdict in verdicts
        ]))
    else:
        for verdict in verdicts:
            _tell(verdict)
    if any(verdict.problems for verdict in verdicts):
        raise typer.Exit(1)


def _tell(verdict: Verdict) -> None:
    typer.echo(f"{'fail' if verdict.problems else 'ok  '}  {verdict.label}  {verdict.rule_id or ''}".rstrip())
    for problem in verdict.problems:
        typer.echo(f"      {problem}")
