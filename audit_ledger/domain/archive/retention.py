"""Retention: entries leave the database only after an archive of them was verified, and the leaving is an entry.

A *mark* says: what lies below `size` is in the archive with this SHA-256, and the tree over it has this root. It is
honest when a sealed `ledger_pruned` entry says the same and the stored nodes still fold to that root; nodes below it
stay, so every later proof and checkpoint covers the pruned entries too. Sizes are multiples of 256, the tile width:
below one no proof needs a single leaf.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from audit_ledger.domain.audit.finding import Finding, Kind
from audit_ledger.domain.merkle import TILE_HEIGHT
from shared_kernel.errors import NotFoundError

PRUNED_ACTION = "ledger_pruned"
_TILE = 1 << TILE_HEIGHT


@dataclass(frozen=True, slots=True)
class PruneMark:
    """Entries below `size` are archived and may be gone."""

    size: int
    root: bytes
    archive_sha256: bytes

    def to_event(self, entries: int) -> dict[str, Any]:
        """Return the section `grid.retention` of the entry that seals it; `entries`: how many go by it."""
        return {"size": self.size, "root": self.root.hex(), "archive_sha256": self.archive_sha256.hex(),
                "entries": entries}

    def is_sealed_by(self, event: Any) -> bool:  # noqa: ANN401 - a damaged payload may hold any JSON value
        """Tell whether an event seals exactly this mark."""
        if not isinstance(event, dict) or not isinstance(event.get("event"), dict):
            return False
        grid = event.get("grid")
        said = grid.get("retention") if isinstance(grid, dict) else None
        own = self.to_event(0)
        return (event["event"].get("action") == PRUNED_ACTION and isinstance(said, dict)
                and all(said.get(name) == own[name] for name in ("size", "root", "archive_sha256")))


class PrunedEntryError(NotFoundError):
    """The entry is not here any more; its archive is named."""

    def __init__(self, seq: int, archive_sha256: bytes) -> None:
        super().__init__(f"entry {seq} is pruned: look in the archive with the SHA-256 {archive_sha256.hex()}")
        self.archive_sha256 = archive_sha256


def prunable(size: int) -> int:
    """Return the largest size up to this one at which a mark may lie."""
    return size - size % _TILE


def refuse_pruned(seq: int, marks: Iterable[PruneMark]) -> None:
    """Raise PrunedEntryError when the entry lies below a mark; it is in the archive of the first mark above it."""
    above = min((mark for mark in marks if mark.size > seq), key=lambda mark: mark.size, default=None)
    if above is not None:
        raise PrunedEntryError(seq, above.archive_sha256)


def mark_findings(
    mark: PruneMark | None, *, first_seq: int, sealed: Iterable[Any], stored_root: bytes | None,
) -> list[Finding]:
    """Return why the entries below `first_seq`, the first in the database, may not be gone.

    `mark`: the newest; older ones lie below it and their entries may be pruned themselves. `sealed`: the events
    `ledger_pruned`. `stored_root`: over the stored nodes at the mark's size, None when one is gone. That a signed
    checkpoint at or beyond the mark carries the same tree is for the walk that begins at the mark.
    """
    if mark is None:
        return [_found(first_seq, "are gone and no sealed prune says why")] if first_seq else []
    if not any(mark.is_sealed_by(event) for event in sealed):
        return [_found(mark.size, "are marked as pruned, and no sealed entry says so")]
    if stored_root != mark.root:
        return [_found(mark.size, "were pruned under another root than the stored nodes have")]
    if first_seq > mark.size:
        return [Finding(Kind.PRUNED, mark.size, first_seq - 1, "entries beyond the pruned ones are gone too")]
    return []


def _found(size: int, what: str) -> Finding:
    return Finding(Kind.PRUNED, 0, size - 1, f"entries below {size} {what}")
