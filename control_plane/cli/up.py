"""`gridwarden up` and `gridwarden console`: start the product, or only its web console."""

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[Path | None, typer.Option(help="Data directory (GRIDWARDEN_HOME; ./var without it).")]
Host = Annotated[str | None, typer.Option(help="Address to listen on (GRIDWARDEN_HOST; 127.0.0.1 without it).")]
GatewayPort = Annotated[int | None, typer.Option(help="Port of the gateway; 0 takes a free one (5000 without it).")]
ConsolePort = Annotated[int | None, typer.Option(help="Port of the console; 0 takes a free one (8080 without it).")]
Gateway = Annotated[str | None, typer.Option(help="URL of the gateway (GRIDWARDEN_ISSUER).")]
Workers = Annotated[int | None, typer.Option(
    help="Gateway processes that share the port (GRIDWARDEN_WORKERS; 1 without it).")]
Demo = Annotated[bool, typer.Option("--demo", help="Also create demo users, one a role, and print their passwords.")]
Json = Annotated[bool, typer.Option("--json", help="State facts as JSON lines on standard output.")]

EXAMPLES = """
Examples:

  gridwarden up                          # gateway on 5000, console on 8080, data in ./var

  gridwarden up --workers 4              # four gateway processes, one port

  gridwarden up --demo                   # the same, with one demo user a role

  DATABASE_URL=postgresql://owner@db/grid gridwarden up

  OPA_URL=http://127.0.0.1:8181 gridwarden up
"""


def up(  # noqa: PLR0913 - one keyword an option
    *, home: Home = None, host: Host = None, gateway_port: GatewayPort = None, console_port: ConsolePort = None,
    workers: Workers = None, demo: Demo = False, as_json: Json = False,
) -> None:
    """Run the whole product until Ctrl-C; on a database where another already runs, beside it."""
    from control_plane.config import load_settings
    from control_plane.running import run

    settings = load_settings(home=home, host=host, gateway_port=gateway_port, console_port=console_port,
                             workers=workers)
    run(settings, demo=demo, as_json=as_json)


def console(
    *, home: Home = None, host: Host = None, gateway: Gateway = None, console_port: ConsolePort = None,
) -> None:
    """Run only the web console, against a gateway elsewhere."""
    from control_plane.config import load_settings
    from control_plane.running import run_console

    run_console(load_settings(home=home, host=host, issuer=gateway, console_port=console_port))


up.__doc__ = (up.__doc__ or "") + "\n" + EXAMPLES
