"""`gridwarden ledger verify`: rehash everything and say what holds."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NoReturn

import orjson
import typer
from rich.console import Console
from rich.table import Table

from audit_ledger.adapters.notebook import Notebook
from audit_ledger.adapters.subject_key_file import SubjectKeyFile
from audit_ledger.adapters.witness_notes import CosignedFile
from audit_ledger.domain.finding import Mode, Report, Verdict
from audit_ledger.domain.note import VerifierKey
from audit_ledger.domain.policy_file import read_policy
from audit_ledger.domain.receipts import read_receipts
from audit_ledger.domain.tlog_policy import Policy
from audit_ledger.domain.tlog_proof import TlogProof
from audit_ledger.service.anchors import Witnesses
from audit_ledger.service.verifier import Evidence, SealedKeys, Verifier
from audit_ledger.service.walking import Progress
from audit_ledger.store.cosignatures import Cosignatures
from audit_ledger.store.pruner import Prunes
from audit_ledger.store.subject_keys import SubjectKeys
from control_plane.cli.ledger.desk import AsJson, Desk, HomeOption, UrlOption, at_desk, progress_bar
from shared_kernel.clock import SystemClock
from shared_kernel.errors import GridwardenError

PAGE_ROWS = 4_096


PolicyOption = Annotated[Path | None, typer.Option(
    "--policy", exists=True, dir_okay=False, help="Your trust policy (C2SP tlog-policy): log keys, witnesses, quorum.")]


@dataclass(frozen=True, slots=True)
class Brought:
    """What the auditor brings along."""

    policy: Policy | None = None
    receipts: Mapping[int, bytes] = field(default_factory=dict)
    notes: tuple[bytes, ...] = ()
    is_resumed: bool = False


def verify(  # noqa: PLR0913 - one keyword an option
    *, as_json: AsJson = False, home: HomeOption = None, url: UrlOption = None, policy: PolicyOption = None,
    since: Annotated[int, typer.Option(min=0, metavar="CHECKPOINT_SIZE", help="Start at this checkpoint.")] = 0,
    receipts: Annotated[Path | None, typer.Option(
        exists=True, dir_okay=False, help="Receipts producers kept: JSON lines with seq and entry_hash.")] = None,
    proofs: Annotated[list[Path] | None, typer.Option(
        "--proof", exists=True, dir_okay=False, help="A .tlog-proof somebody kept; may be given often.")] = None,
    is_resumed: Annotated[bool, typer.Option("--resume", help="Go on where the last one was interrupted.")] = False,
) -> None:
    """Rehash every entry, hold the tree against every checkpoint, and name all damage.

    Exit code 0: good, and anchored in a checkpoint outside the database or under witnesses. 3: good, but unanchored or
    stale. 4: tampered with. 5: cannot check (no ledger, no database).

    Examples:
        gridwarden ledger verify

        gridwarden ledger verify --json --since 100000

        gridwarden ledger verify --resume

        gridwarden ledger verify --database-url postgresql://auditor@db/grid --policy my-policy.txt
    """
    with progress_bar("verifying", is_shown=not as_json) as progress:
        try:
            brought = Brought(
                read_policy(policy.read_bytes()) if policy else None,
                read_receipts(receipts.read_bytes()) if receipts else {},
                tuple(TlogProof.parse(path.read_bytes()).checkpoint for path in proofs or ()), is_resumed=is_resumed)
            report = at_desk(home, url, lambda desk: verified(desk, brought, since, progress),
                             key=only_log(brought.policy))
        except GridwardenError as cause:
            cannot_check(cause, as_json=as_json)
    if as_json:
        typer.echo(orjson.dumps(report.to_json()))
    else:
        _tell(report)
    raise typer.Exit(int(report.verdict))


async def verified(desk: Desk, brought: Brought, since: int, progress: Progress | None) -> Report:
    """Verify with everything that this home and the auditor have."""
    stream = desk.reader.stream
    witnesses = None
    if brought.policy is not None:
        policy = brought.policy.for_log(desk.key) if desk.key else brought.policy
        witnesses = Witnesses(policy, Cosignatures(desk.pool, desk.pool, stream), CosignedFile(desk.home.checkpoints))
    evidence = Evidence(
        desk.key, desk.files, witnesses, brought.notes, brought.receipts, prunes=Prunes(desk.pool, stream),
        keys=SealedKeys(SubjectKeys(desk.pool, desk.pool, stream), SubjectKeyFile(desk.home.keys).existing()))
    notebook = Notebook(desk.home.root / "ledger" / "verify.state", is_fresh=not brought.is_resumed)
    return await Verifier(desk.reader, SystemClock(), evidence, page_rows=PAGE_ROWS, notebook=notebook).verify(
        progress, since=since)


def only_log(policy: Policy | None) -> VerifierKey | None:
    """Return the key of a policy's one log: for an auditor who has no home."""
    return policy.logs[0].key if policy and len(policy.logs) == 1 else None


def cannot_check(cause: GridwardenError, *, as_json: bool) -> NoReturn:
    """Say why there is no report, and end with exit code 5."""
    if as_json:
        typer.echo(orjson.dumps({"verdict": "cannot_check", "exit_code": 5, "detail": cause.detail}))
    else:
        Console(stderr=True).print(f"cannot check: {cause.detail}", style="red", markup=False, highlight=False,
                                     soft_wrap=True)
    raise typer.Exit(int(Verdict.CANNOT_CHECK)) from cause


_SENTENCES = {
    Verdict.GOOD: ("green", "good: every entry is the one that was sealed"),
    Verdict.UNANCHORED: ("yellow", "good inside the database, but not held by a recent checkpoint outside it"),
    Verdict.TAMPERED: ("red", "TAMPERED: the ledger is not what was sealed"),
}


def _tell(report: Report) -> None:
    console = Console(file=sys.stdout, highlight=False)
    colour, sentence = _SENTENCES[report.verdict]
    console.print(sentence, style=colour)
    if report.findings:
        table = Table("entries", "what", "event", "time", "detail")
        for found in report.findings:
            place = str(found.seq) if found.seq == found.last_seq else f"{found.seq}-{found.last_seq}"
            table.add_row(place, str(found.kind), found.action or "", found.event_time or "", found.detail)
        console.print(table)
    if report.stale:
        console.print(f"stale: {report.stale}", style="yellow")
    if report.dropped_findings:
        console.print(f"and {report.dropped_findings} more findings")
    rate = (report.size - report.since) * 1000 // max(report.duration_ms, 1)
    console.print(f"{report.stream}: {report.size} entries, root {report.root.hex()[:16]}, mode {report.mode}, "
                  f"{report.checkpoints_good} checkpoints hold, {rate:,} entries/s", soft_wrap=True)
    if report.mode is not Mode.UNANCHORED:
        console.print(f"entries below {report.holds_to} are proven by a signed checkpoint; "
                      f"{report.anchored_size} are covered outside the database", soft_wrap=True)
