"""Where a verification begins after prunes, and whether what is gone may be gone."""

from dataclasses import dataclass
from typing import Any

import orjson

from audit_ledger.domain.archive.retention import PRUNED_ACTION, PruneMark, mark_findings
from audit_ledger.domain.audit.finding import Finding
from audit_ledger.domain.errors import ForkedLedgerError
from audit_ledger.service.prover import Prover
from audit_ledger.store.pruner import Prunes
from audit_ledger.store.reader import LedgerReader

_SEALED = 1_000


@dataclass(frozen=True, slots=True)
class PruneCheck:
    """`start`: the walk begins here, from the stored nodes; `findings`: why what lies below may not be gone."""

    start: int
    findings: tuple[Finding, ...]


async def prune_check(reader: LedgerReader, prunes: Prunes) -> PruneCheck:
    """Look at the newest mark, the entry that seals it, the nodes under it, and what is really gone.

    A mark that is not honest is no excuse: then the walk begins at 0 and finds what is missing.
    """
    mark = max(await prunes.marks(), key=lambda each: each.size, default=None)
    found = mark_findings(
        mark, first_seq=await prunes.first_seq(), sealed=await sealed_prunes(reader),
        stored_root=await _stored_root(reader, mark),
    )
    return PruneCheck(mark.size if mark and not found else 0, tuple(found))


async def sealed_prunes(reader: LedgerReader) -> list[Any]:
    """Return the newest `ledger_pruned` events; what damage left unreadable is None."""
    return [_event(entry.payload) for entry in await reader.find({"action": PRUNED_ACTION}, None, _SEALED)]


async def _stored_root(reader: LedgerReader, mark: PruneMark | None) -> bytes | None:
    if mark is None:
        return None
    try:
        return (await Prover(reader).frontier_at(mark.size)).root
    except ForkedLedgerError:
        return None


def _event(payload: bytes) -> Any:  # noqa: ANN401 - a damaged payload may hold any JSON value
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
