"""`gridwarden playbook`: what is at hand, and whether a file can run."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from soar_playbooks.adapters.folders import PlaybookFolders
from soar_playbooks.domain.errors import PlaybookError
from soar_playbooks.domain.schema import playbook_from
from soar_playbooks.domain.strict_yaml import parse_yaml

app = typer.Typer(help="Playbooks: the answers to alerts.", no_args_is_help=True)

Folder = Annotated[
    Path | None, typer.Option("--folder", exists=True, file_okay=False, help="A folder that adds and overrides."),
]
PlaybookPath = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The playbook's YAML file.")]


@app.command("list")
def list_playbooks(folder: Folder = None) -> None:
    """List the shipped playbooks, and those of a folder; exit 1 when one is broken."""
    table = Table("name", "from", "approval", "steps or problem")
    broken = 0
    for name, file in sorted(PlaybookFolders([folder] if folder else []).read().items()):
        try:
            playbook = playbook_from(parse_yaml(file.text), name)
        except PlaybookError as error:
            broken += 1
            table.add_row(name, file.source, "", f"broken: {file.problem or error.detail}")
            continue
        table.add_row(name, file.source, playbook.approval, " > ".join(step.connector for step in playbook.steps))
    Console().print(table)
    if broken:
        raise typer.Exit(1)


@app.command("check")
def check(file: PlaybookPath) -> None:
    """Check one file and print its version; exit 1 with the place of the first mistake."""
    try:
        playbook = playbook_from(parse_yaml(file.read_text(encoding="utf-8")), file.stem)
    except (PlaybookError, UnicodeDecodeError) as error:
        typer.echo(f"fail  {file.name}: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"ok    {playbook.name}  version {playbook.version_hash}")
