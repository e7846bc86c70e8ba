"""The command `gridwarden`: one sub-application a house, errors as one sentence with the remedy."""

import sys

import typer
from rich.console import Console

from control_plane.cli import ca, clients, demo, keys, ledger, playbook, policy, risk, rules, token, up
from control_plane.logs import configure_logs
from shared_kernel.errors import GridwardenError

app = typer.Typer(
    name="gridwarden", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="The security and governance control plane for smart-grid data platforms.",
    rich_markup_mode="rich",
)
app.command("up")(up.up)
app.command("console")(up.console)
app.command("demo")(demo.demo)
app.command("token")(token.token)
app.add_typer(ca.app, name="ca")
app.add_typer(clients.app, name="clients")
app.add_typer(keys.app, name="keys")
app.add_typer(ledger.app, name="ledger")
app.add_typer(policy.app, name="policy")
app.add_typer(risk.app, name="risk")
app.add_typer(rules.app, name="rules")
app.add_typer(playbook.app, name="playbook")


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
