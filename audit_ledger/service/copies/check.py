"""Verifying a copy as an auditor: with nothing but the copy, a signed checkpoint and the log's key."""

from collections.abc import Callable
from dataclasses import dataclass

from audit_ledger.domain.archive.copies import PAST_ALL
from audit_ledger.domain.audit.copy_walk import CopyWalk
from audit_ledger.domain.audit.finding import Finding
from audit_ledger.domain.c2sp.checkpoint import Checkpoint, open_checkpoint
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.domain.errors import MalformedNoteError, UntrustedNoteError
from audit_ledger.service.copies.port import Copy


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy is worth: its first `size` entries were rehashed; `demanded` is what the ledger has published."""

    name: str
    size: int
    demanded: int
    findings: tuple[Finding, ...]

    @property
    def is_behind(self) -> bool:
        """Whether it is good as far as it goes, and does not go as far as the ledger: a backlog, or an old backup."""
        return self.size < self.demanded


async def verify_copy(
    copy: Copy, checkpoint: Checkpoint, key: VerifierKey, *, progress: Callable[[int, int], None] | None = None,
) -> CopyReport:
    """Verify what the copy claims, at most up to `checkpoint`, a signed one that the caller has verified.

    A copy with an older good checkpoint of the log is verified up to that one, and is behind. A copy that claims
    nothing valid is held against `checkpoint` itself.
    """
    walk = CopyWalk(copy.name, checkpoint.origin)
    upto = await _upto(copy, checkpoint, key, walk)
    done = 0
    async for page in copy.read(0, upto.size):
        walk.feed(page)
        done += len(page)
        if progress:
            progress(done, upto.size)
    walk.finish(upto.size, upto.root)
    await _check_nodes(copy, upto, walk)
    await _check_notes(copy, checkpoint, key, walk)
    await _check_end(copy, checkpoint, walk)
    return CopyReport(copy.name, upto.size, checkpoint.size, walk.findings.ordered())


async def _upto(copy: Copy, checkpoint: Checkpoint, key: VerifierKey, walk: CopyWalk) -> Checkpoint:
    note = await copy.note()
    if note is None:
        if await copy.end():
            walk.note(0, 0, "it has entries and no checkpoint")
            return checkpoint
        return Checkpoint(checkpoint.origin, 0, b"")
    try:
        claimed = open_checkpoint(note, checkpoint.origin, key)
    except (MalformedNoteError, UntrustedNoteError) as cause:
        walk.note(0, 0, f"its checkpoint is not the log's: {cause.detail}")
        return checkpoint
    if claimed.size > checkpoint.size:
        walk.note(checkpoint.size, claimed.size - 1, "it has a checkpoint beyond the ledger's newest")
    return claimed if claimed.size < checkpoint.size else checkpoint


async def _check_nodes(copy: Copy, upto: Checkpoint, walk: CopyWalk) -> None:
    """Hold the stored nodes against those that follow from the leaves; above damaged leaves nothing follows."""
    damaged = [(each.seq, each.last_seq) for each in walk.findings.kept]
    async for place, held in copy.nodes(upto.size):
        first, last = place.index << place.level, ((place.index + 1) << place.level) - 1
        if held != walk.subtrees.get(place, held) and not any(a <= last and first <= b for a, b in damaged):
            walk.note(first, last, f"its tree node {place} is {'wrong' if held else 'gone'}")


async def _check_notes(copy: Copy, checkpoint: Checkpoint, key: VerifierKey, walk: CopyWalk) -> None:
    async for size, note in copy.notes():
        place = max(size - 1, 0)
        try:
            if open_checkpoint(note, checkpoint.origin, key).size != size:
                walk.note(place, place, f"under the size {size} lies another checkpoint")
        except (MalformedNoteError, UntrustedNoteError) as cause:
            walk.note(place, place, f"its checkpoint of size {size} is not the log's: {cause.detail}")


async def _check_end(copy: Copy, checkpoint: Checkpoint, walk: CopyWalk) -> None:
    end = await copy.end()
    if end > checkpoint.size:
        walk.note(checkpoint.size, min(end, PAST_ALL) - 1, "it holds more than was ever published")
    elif strays := await copy.strays(checkpoint.size):
        walk.note(checkpoint.size, checkpoint.size, f"it holds {strays} things that belong to no entry")
