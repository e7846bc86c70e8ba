"""What `verify` and `watch` do: verifications with everything that a home and an auditor have."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit_ledger.adapters.bundle_file import BundleFile
from audit_ledger.adapters.notebook import Notebook
from audit_ledger.adapters.subject_key_file import SubjectKeyFile
from audit_ledger.adapters.witness_notes import CosignedFile
from audit_ledger.domain.audit.finding import Finding, Report, Verdict
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.domain.c2sp.tlog_policy import Policy
from audit_ledger.domain.c2sp.tlog_proof import TlogProof
from audit_ledger.domain.errors import UncheckableError
from audit_ledger.service.audit.anchors import Witnesses
from audit_ledger.service.audit.bundle_audit import BundleAuditor, BundleReport
from audit_ledger.service.audit.verifier import Evidence, SealedKeys, Verifier
from audit_ledger.service.copies.port import Copy
from audit_ledger.store.cosignatures import Cosignatures
from audit_ledger.store.pruner import Prunes
from audit_ledger.store.subject_keys import SubjectKeys
from control_plane.cli.ledger.desk import Desk
from control_plane.config import Settings
from shared_kernel.clock import SystemClock
from shared_kernel.errors import GridwardenError

Progress = Callable[[int, int], None]
PAGE_ROWS = 4_096
POSTGRES = "postgres"


@dataclass(frozen=True, slots=True)
class Brought:
    """What the auditor brings along."""

    policy: Policy | None = None
    receipts: Mapping[int, bytes] = field(default_factory=dict)
    proofs: tuple[TlogProof, ...] = ()
    notes: tuple[bytes, ...] = ()
    is_resumed: bool = False


@dataclass(frozen=True, slots=True)
class CopyOutcome:
    """What was found of one copy, or the reason why nothing could be."""

    name: str
    size: int = 0
    is_behind: bool = False
    findings: tuple[Finding, ...] = ()
    reason: str | None = None

    @property
    def verdict(self) -> Verdict:
        """The exit code."""
        if self.reason is not None:
            return Verdict.CANNOT_CHECK
        return Verdict.TAMPERED if self.findings else Verdict.UNPROVEN if self.is_behind else Verdict.GOOD

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {"name": self.name, "verdict": self.verdict.name.lower(), "size": self.size, "behind": self.is_behind,
                "findings": [found.to_json() for found in self.findings], "reason": self.reason}


async def verified(desk: Desk, brought: Brought, since: int, progress: Progress | None) -> Report:
    """Verify the entries in PostgreSQL."""
    stream = desk.reader.stream
    witnesses = None
    if brought.policy is not None:
        policy = brought.policy.for_log(desk.key) if desk.key else brought.policy
        witnesses = Witnesses(policy, Cosignatures(desk.pool, desk.pool, stream), CosignedFile(desk.home.checkpoints))
    evidence = Evidence(
        desk.key, desk.files, witnesses, brought.notes, brought.receipts, brought.proofs,
        keys=SealedKeys(SubjectKeys(desk.pool, desk.pool, stream), SubjectKeyFile(desk.home.keys).existing()),
        prunes=Prunes(desk.pool, stream))
    notebook = Notebook(desk.home.root / "ledger" / "verify.state", is_fresh=not brought.is_resumed)
    return await Verifier(desk.reader, SystemClock(), evidence, page_rows=PAGE_ROWS, notebook=notebook).verify(
        progress, since=since)


async def verified_copies(
    desk: Desk, settings: Settings, names: Sequence[str], progress: Progress,
) -> list[CopyOutcome]:
    """Rehash the copies named, up to the newest checkpoint that the ledger's key signed.

    A copy that cannot be checked says why: it must not hide what was found elsewhere.
    """
    from control_plane.wiring.copies import copies_of

    copies = {copy.name: copy for copy in copies_of(desk.reader.stream, desk.home, settings)}
    try:
        found = []
        for name in names:
            try:
                found.append(await _verified_copy(desk, copies, name, progress))
            except GridwardenError as cause:
                found.append(CopyOutcome(name, reason=cause.detail))
        return found
    finally:
        await asyncio.gather(*(copy.close() for copy in copies.values()))


async def _verified_copy(desk: Desk, copies: Mapping[str, Copy], name: str, progress: Progress) -> CopyOutcome:
    from audit_ledger.domain.archive.copies import UnknownCopyError
    from audit_ledger.service.copies.check import verify_copy
    from audit_ledger.service.copies.source import ProvenEntries

    if name not in copies:
        raise UnknownCopyError(name, [POSTGRES, *copies])
    if desk.key is None:
        raise UncheckableError("there is no verifier key: nothing a copy holds can be checked")
    checkpoint = (await ProvenEntries(desk.reader, desk.key).checkpoint())[1]
    report = await verify_copy(copies[name], checkpoint, desk.key, progress=progress)
    return CopyOutcome(name, report.size, report.is_behind, report.findings)


def verified_bundle(file: Path, policy: Policy | None, progress: Progress) -> BundleReport:
    """Verify a bundle by the auditor's policy alone: no database, no home."""
    if policy is None:
        raise UncheckableError("a bundle is judged by your own policy: give it with --policy")
    with BundleFile(file) as bundle:
        return BundleAuditor(policy, SystemClock()).verify(bundle, progress)


def only_log(policy: Policy | None) -> VerifierKey | None:
    """Return the key of a policy's one log: for an auditor who has no home."""
    return policy.logs[0].key if policy and len(policy.logs) == 1 else None
