"""The command `gridwarden`: one sub-application a house, errors as one sentence with the remedy."""

import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from typer.core import TyperGroup
from typer.main import get_command, get_group

from control_plane.logs import configure_logs
from shared_kernel.errors import GridwardenError

_PLACES = {
    "up": "up:up", "console": "up:console", "demo": "demo:demo", "token": "token:token", "ca": "ca:app",
    "clients": "clients:app", "keys": "keys:app", "ledger": "ledger:app", "policy": "policy:app", "risk": "risk:app",
    "rules": "rules:app", "playbook": "playbook:app",
}


class _Commands(Mapping[str, Any]):
    """The commands by name, each imported when it is asked for: all of them together take more than a second."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - typer's own copy of click is private
        module, _, attribute = _PLACES[name].partition(":")
        found = getattr(import_module(f"{__name__}.{module}"), attribute)
        if isinstance(found, typer.Typer):
            command: Any = get_group(found)
        else:
            alone = typer.Typer(add_completion=False)
            alone.command(name)(found)
            command = get_command(alone)
        command.name = name
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


class _Group(TyperGroup):
    """`gridwarden` itself."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(**options)
        self.commands = cast("Any", _Commands())


app = typer.Typer(name="gridwarden", cls=_Group, no_args_is_help=True, add_completion=False,
                  pretty_exceptions_enable=False, rich_markup_mode="rich")


def _tell_version(is_asked: bool) -> None:  # noqa: FBT001 - typer hands it over by position
    if is_asked:
        typer.echo(f"gridwarden {version('gridwarden')}")
        raise typer.Exit


@app.callback()
def gridwarden(
    *, _version: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_tell_version,
                                              is_eager=True)] = False,
) -> None:
    """The security and governance control plane for smart-grid data platforms."""


def main() -> None:
    """Run the command line; exit 1 with a sentence on an expected error, 130 on Ctrl-C."""
    configure_logs("warning")  # `up` says more; a command's own words go to standard output alone
    try:
        app()
    except GridwardenError as error:
        Console(stderr=True).print(f"gridwarden: {error.detail}", style="red", markup=False, highlight=False,
                                     soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
