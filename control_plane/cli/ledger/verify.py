"""`gridwarden ledger verify`: rehash everything and say what holds."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from audit_ledger.domain.audit.finding import Report, Verdict
from audit_ledger.domain.audit.receipts import read_receipts
from audit_ledger.domain.c2sp.policy_file import read_policy
from audit_ledger.domain.c2sp.tlog_policy import Policy
from audit_ledger.domain.c2sp.tlog_proof import TlogProof
from audit_ledger.domain.errors import UncheckableError
from control_plane.cli.ledger.auditing import (
    POSTGRES,
    Brought,
    CopyOutcome,
    Progress,
    only_log,
    verified,
    verified_bundle,
    verified_copies,
)
from control_plane.cli.ledger.desk import Desk, at_desk
from control_plane.cli.ledger.telling import cannot_check, tell, tell_copy, verdict_of, visible, worst
from control_plane.cli.options import AsJson, HomeOption, UrlOption
from control_plane.cli.progress import progress_bar
from control_plane.config import load_settings
from shared_kernel.errors import GridwardenError

PolicyOption = Annotated[Path | None, typer.Option(
    "--policy", exists=True, dir_okay=False, help="Your trust policy (C2SP tlog-policy): log keys, witnesses, quorum.")]


def verify(  # noqa: PLR0913 - one keyword an option
    *, as_json: AsJson = False, home: HomeOption = None, url: UrlOption = None, policy: PolicyOption = None,
    since: Annotated[int, typer.Option(min=0, metavar="CHECKPOINT_SIZE", help="Start at this checkpoint.")] = 0,
    stores: Annotated[str, typer.Option(help="Comma-separated: postgres, tiles, mongo.")] = POSTGRES,
    bundle: Annotated[Path | None, typer.Option(
        exists=True, dir_okay=False, help="Verify this bundle instead, by --policy alone.")] = None,
    receipts: Annotated[Path | None, typer.Option(
        exists=True, dir_okay=False, help="Receipts producers kept: JSON lines with seq and entry_hash.")] = None,
    proofs: Annotated[list[Path] | None, typer.Option(
        "--proof", exists=True, dir_okay=False, help="A .tlog-proof somebody kept; may be given often.")] = None,
    is_resumed: Annotated[bool, typer.Option("--resume", help="Go on where the last one was interrupted.")] = False,
) -> None:
    """Rehash every entry, hold the tree against every checkpoint, and name all damage.

    Exit code 0: good, and anchored in a checkpoint outside the database or under witnesses. 3: good, but unanchored or
    stale, or a copy is behind. 4: tampered with. 5: cannot check (no ledger, no database).

    Examples:
        gridwarden ledger verify

        gridwarden ledger verify --json --since 100000

        gridwarden ledger verify --stores postgres,tiles,mongo

        gridwarden ledger verify --database-url postgresql://auditor@db/grid --policy my-policy.txt

        gridwarden ledger verify --bundle case.zip --policy my-policy.txt
    """
    with progress_bar("verifying", is_shown=not as_json) as progress:
        try:
            trusted = read_policy(policy.read_bytes()) if policy else None
            if bundle is not None:
                code = _bundle(bundle, trusted, progress, as_json=as_json)
                raise typer.Exit(code)
            brought = Brought(
                trusted, read_receipts(receipts.read_bytes()) if receipts else {},
                tuple(TlogProof.parse(path.read_bytes()) for path in proofs or ()), is_resumed=is_resumed)
            report, copies = _stores(_names(stores), brought, since, progress, (home, url))
        except GridwardenError as cause:
            cannot_check(cause, as_json=as_json)
    verdict = worst(each.verdict for each in (report, *copies) if each is not None)
    _tell(report, copies, verdict, as_json=as_json)
    raise typer.Exit(int(verdict))


def _bundle(file: Path, policy: Policy | None, progress: Progress, *, as_json: bool) -> int:
    report = verified_bundle(file, policy, progress)
    if as_json:
        typer.echo(orjson.dumps(report.to_json()))
    else:
        verdict_of(report.verdict, report.findings)
        ranges = [f"{report.first}-{report.until - 1}"] if report.until else []
        entries = ", ".join([*ranges, *map(str, report.singles)])
        typer.echo(f"{visible(report.stream)}: entries {entries} under the checkpoint of {report.size}, "
                   f"mode {report.mode}")
    return int(report.verdict)


def _names(stores: str) -> list[str]:
    names = [name.strip() for name in stores.split(",") if name.strip()]
    if not names:
        raise UncheckableError("--stores names no store: postgres, tiles, mongo")
    return names


def _stores(
    names: list[str], brought: Brought, since: int, progress: Progress, place: tuple[Path | None, str | None],
) -> tuple[Report | None, list[CopyOutcome]]:
    home, url = place
    settings = load_settings(home=home, database_url=url)
    copies = [name for name in names if name != POSTGRES]

    async def work(desk: Desk) -> tuple[Report | None, list[CopyOutcome]]:
        report = await verified(desk, brought, since, progress) if POSTGRES in names else None
        return report, await verified_copies(desk, settings, copies, progress) if copies else []

    return at_desk(home, url, work, key=only_log(brought.policy))


def _tell(report: Report | None, copies: list[CopyOutcome], verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        document = report.to_json() if report else {}
        document |= {"verdict": verdict.name.lower(), "exit_code": int(verdict)}
        typer.echo(orjson.dumps(document | ({"copies": [each.to_json() for each in copies]} if copies else {})))
        return
    if report is not None:
        tell(report)
    for each in copies:
        tell_copy(each)
