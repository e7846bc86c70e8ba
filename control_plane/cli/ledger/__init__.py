"""`gridwarden ledger`: what an auditor types. Reading needs the database and the home's files, no running gateway."""

import typer

from control_plane.cli.ledger import erase, export, mirror, prune, reading, verifier, verify, watch, witness

app = typer.Typer(help="The audit ledger: verify it, read it, prove one entry, copy it, take it away.",
                  no_args_is_help=True)
for command in (verify.verify, watch.watch, reading.head, reading.tail, reading.checkpoint, reading.prove,
                export.export, verifier.verifier, prune.prune, erase.erase):
    app.command()(command)
app.add_typer(mirror.app, name="mirror")
app.add_typer(witness.app, name="witness")
