"""`gridwarden ledger head | tail | checkpoint | prove`: reading the ledger, and proving one entry."""

import asyncio
from typing import Annotated

import orjson
import typer

from audit_ledger.domain.c2sp.checkpoint import open_checkpoint
from audit_ledger.domain.c2sp.tlog_proof import TlogProof
from audit_ledger.domain.errors import UncheckableError
from audit_ledger.domain.head import Entry
from audit_ledger.domain.proofs import proves_inclusion
from audit_ledger.service.ledger import readable
from audit_ledger.service.prover import InclusionProof, Prover
from audit_ledger.store.pruner import Prunes
from control_plane.cli.ledger.desk import Desk, at_desk
from control_plane.cli.ledger.telling import visible
from control_plane.cli.options import AsJson, HomeOption, UrlOption
from shared_kernel.clock import to_iso
from shared_kernel.errors import NotFoundError

_PAGE, _PAUSE_S = 500, 0.5


def head(*, as_json: AsJson = False, home: HomeOption = None, url: UrlOption = None) -> None:
    """Show how long the ledger is and the hash of its last entry. Example: gridwarden ledger head --json."""
    async def work(desk: Desk) -> dict[str, object]:
        found = await desk.reader.head()
        if found is None:
            raise UncheckableError(f"the database does not know the ledger {desk.reader.stream}")
        return {"stream": desk.reader.stream, "size": found.size, "entry_hash": found.entry_hash.hex()}

    answer = at_desk(home, url, work)
    if as_json:
        typer.echo(orjson.dumps(answer))
    else:
        typer.echo(f"{answer['stream']}: {answer['size']} entries, last {answer['entry_hash']}")


def tail(
    *, count: Annotated[int, typer.Option("--count", "-n", min=1, max=1_000, help="How many.")] = 20,
    is_followed: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is sealed next.")] = False,
    as_json: AsJson = False, home: HomeOption = None, url: UrlOption = None,
) -> None:
    """Show the last entries, one a line. Sealed fields stay closed: they open in the console, for who may read them.

    Examples:
        gridwarden ledger tail -n 5 --json

        gridwarden ledger tail --follow
    """
    async def work(desk: Desk) -> None:
        found = (await desk.reader.find({}, None, count))[::-1]
        while True:
            for entry in found:
                _show(entry, as_json=as_json)
            if not is_followed:
                return
            after = found[-1].seq + 1 if found else 0
            while not (found := await desk.reader.entries(after, _PAGE)):  # noqa: ASYNC110 - another process seals
                await asyncio.sleep(_PAUSE_S)

    at_desk(home, url, work)


def _show(entry: Entry, *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps({"seq": entry.seq, "recorded_at": to_iso(entry.recorded_at_us),
                                 "entry_hash": entry.entry_hash.hex(), "event": readable(entry.payload)}))
    else:
        named = entry.columns
        typer.echo(f"{entry.seq:>9}  {to_iso(entry.recorded_at_us)}  {visible(named.action or '-'):<24} "
                   f"{visible(named.outcome or '-'):<8} {visible(named.subject or '-')}")


def checkpoint(*, home: HomeOption = None, url: UrlOption = None) -> None:
    """Print the newest signed checkpoint (C2SP signed note). Example: gridwarden ledger checkpoint > today.note."""
    async def work(desk: Desk) -> bytes:
        note = await desk.reader.checkpoint_before(2**62)
        if note is None:
            raise NotFoundError("no checkpoint is published yet")
        return note

    typer.echo(at_desk(home, url, work).decode(), nl=False)


def prove(
    seq: Annotated[int, typer.Argument(min=0, help="The entry's position, as its receipt says.")],
    *, as_json: AsJson = False, home: HomeOption = None, url: UrlOption = None,
) -> None:
    """Print the proof (C2SP tlog-proof) that entry SEQ is under the newest signed checkpoint; checked before printed.

    Example: gridwarden ledger prove 4711 > entry-4711.tlog-proof
    """
    async def work(desk: Desk) -> tuple[TlogProof, InclusionProof]:
        note = await desk.reader.checkpoint_before(2**62)
        if note is None or desk.key is None:
            raise NotFoundError("there is no checkpoint, or no verifier key in this home: nothing to prove against")
        signed = open_checkpoint(note, desk.reader.stream, desk.key)
        if seq >= signed.size:
            raise NotFoundError(f"the newest checkpoint covers {signed.size} entries: {seq} is not yet among them")
        await Prunes(desk.pool, desk.reader.stream).refuse_pruned(seq)
        proof = await Prover(desk.reader).inclusion(seq, signed.size)
        if not proves_inclusion(proof.leaf, seq, signed.size, proof.path, signed.root):
            raise UncheckableError(f"entry {seq} is not under the signed root: run `gridwarden ledger verify`")
        return TlogProof(seq, proof.path, note), proof

    kept, proof = at_desk(home, url, work)
    if as_json:
        typer.echo(orjson.dumps({
            "seq": seq, "size": proof.size, "leaf_hash": proof.leaf.hex(), "path": [step.hex() for step in proof.path],
            "root": proof.root.hex(), "checkpoint": kept.checkpoint.decode()}, option=orjson.OPT_INDENT_2))
    else:
        typer.echo(kept.to_bytes(), nl=False)
