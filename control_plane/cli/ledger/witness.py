"""`gridwarden ledger witness`: watch other people's logs and cosign their checkpoints. Needs no database."""

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Annotated

import orjson
import typer

from audit_ledger.adapters.witness_files import WitnessFolder
from audit_ledger.domain.c2sp.checkpoint import read_unverified
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.http.witness import witness_app
from audit_ledger.service.witness.witness import Witness
from control_plane.cli.options import AsJson
from control_plane.gateway.protocol import StrictProtocol
from control_plane.server import Listener, listen, serve
from shared_kernel.clock import SystemClock

app = typer.Typer(help="A witness: cosigns logs that only ever grow.", no_args_is_help=True)

WitnessHome = Annotated[Path, typer.Option("--home", help="The witness's own directory, not on the log's machine.")]
Name = Annotated[str | None, typer.Option("--name", help="The witness's name, at first use: witness.example.org/w1.")]


@app.command("serve")
def serve_witness(
    *, home: WitnessHome, name: Name = None,
    logs: Annotated[list[str], typer.Option("--log", metavar="VKEY", help="Verifier key of a log; repeat for more.")],
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; put TLS in front of it.")] = 5_020,
) -> None:
    """Serve POST /add-checkpoint (C2SP tlog-witness) until interrupted.

    Example: gridwarden ledger witness serve --home /srv/witness --log "$(cat ledger.vkey)"
    """
    folder = WitnessFolder(home)
    keys = [VerifierKey.parse(log) for log in logs]
    cosigner = folder.cosigner(name)
    witness = Witness(cosigner, keys, folder, SystemClock())
    with contextlib.closing(listen("127.0.0.1", port, option="--port")) as bound:
        typer.echo(f"{cosigner.verifier} at http://127.0.0.1:{bound.getsockname()[1]}")
        asyncio.run(_until_stopped(Listener(witness_app(witness), bound, StrictProtocol)))


@app.command()
def key(*, home: WitnessHome, name: Name = None) -> None:
    """Print the witness's verifier key, for policies; the key is made at first use.

    Example: gridwarden ledger witness key --home /srv/witness --name witness.example.org/w1
    """
    typer.echo(str(WitnessFolder(home).cosigner(name).verifier))


@app.command()
def status(*, home: WitnessHome, as_json: AsJson = False) -> None:
    """Show the last tree cosigned of each log. Example: gridwarden ledger witness status --home /srv/witness."""
    for note in WitnessFolder(home).notes():
        seen = read_unverified(note)
        if as_json:
            typer.echo(orjson.dumps({"origin": seen.origin, "size": seen.size, "root": seen.root.hex()}))
        else:
            typer.echo(f"{seen.origin}: {seen.size} entries, root {seen.root.hex()[:16]}")


async def _until_stopped(listener: Listener) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve([listener], stop)
