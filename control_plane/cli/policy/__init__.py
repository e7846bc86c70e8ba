"""`gridwarden policy`: what decides, and why it decided so."""

import typer

from control_plane.cli.policy.explain import explain

app = typer.Typer(no_args_is_help=True, help="The policy that decides: explain its decisions.")
app.command("explain")(explain)
