"""Options that many commands take."""

from pathlib import Path
from typing import Annotated

import typer

HomeOption = Annotated[Path | None, typer.Option("--home", help="Data directory; GRIDWARDEN_HOME or ./var without it.")]
UrlOption = Annotated[str | None, typer.Option(
    "--database-url", help="PostgreSQL URL; DATABASE_URL, or the home's embedded server, without it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
