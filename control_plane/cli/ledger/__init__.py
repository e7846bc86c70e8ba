"""`gridwarden ledger`: what an auditor types. Needs the database and the home's files, never a running gateway."""

import typer

from control_plane.cli.ledger import reading, verify

app = typer.Typer(help="The audit ledger: verify it, read it, prove one entry.", no_args_is_help=True)
for command in (verify.verify, reading.head, reading.tail, reading.checkpoint, reading.prove):
    app.command()(command)
