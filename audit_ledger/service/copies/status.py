"""How a copy is: what it claims, whether it may, and how far it is behind."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from audit_ledger.domain.archive.copies import CopyDivergedError, CopyDownError, Difference, Divergence, UnprovenError
from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.errors import MalformedNoteError, UntrustedNoteError
from audit_ledger.service.copies.port import Copy
from audit_ledger.service.copies.source import ProvenEntries


class State(StrEnum):
    """What a follower does with its copy."""

    STARTING = "starting"
    FOLLOWING = "following"
    DOWN = "down"
    DIVERGED = "diverged"
    STOPPED = "stopped"
    """The copy could follow; the ledger's own bytes do not verify, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Status:
    """A copy's state: it covers `size` of the `published` entries."""

    name: str
    state: State
    size: int
    published: int
    reason: str | None = None
    divergence: Divergence | None = None

    @property
    def backlog(self) -> int:
        """How many published entries it lacks."""
        return max(0, self.published - self.size)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {"name": self.name, "state": str(self.state), "size": self.size, "published": self.published,
                "backlog": self.backlog, "reason": self.reason,
                "divergence": self.divergence.to_json() if self.divergence else None}


async def look(copy: Copy, source: ProvenEntries) -> Status:
    """Return how a copy is that nobody follows with now."""
    _, newest = await source.checkpoint()
    try:
        await refuse_more(copy, newest)
        return Status(copy.name, State.FOLLOWING, await claim(copy, source, newest), newest.size)
    except CopyDownError as cause:
        return Status(copy.name, State.DOWN, 0, newest.size, cause.detail)
    except CopyDivergedError as cause:
        return Status(copy.name, State.DIVERGED, 0, newest.size, cause.detail, cause.divergence)


async def claim(copy: Copy, source: ProvenEntries, newest: Checkpoint) -> int:
    """Return how many entries the copy rightly claims to have; CopyDivergedError when wrongly."""

    def diverged(kind: Difference, seq: int, last_seq: int, what: str) -> CopyDivergedError:
        return CopyDivergedError(copy.name, Divergence(kind, seq, last_seq), what)

    note = await copy.note()
    if note is None:
        return 0
    try:
        claimed = source.opened(note)
    except (MalformedNoteError, UntrustedNoteError) as cause:
        raise diverged(Difference.DIFFERENT, 0, 0, f"its checkpoint is not ours: {cause.detail}") from cause
    if claimed.size > newest.size:
        raise diverged(Difference.EXTRA, newest.size, claimed.size - 1,
                       f"it has a checkpoint of {claimed.size} entries, the newest is of {newest.size}")
    root = await source.root(claimed.size)
    if not root:
        raise UnprovenError(0, claimed.size, newest.size)
    if root != claimed.root:
        raise diverged(Difference.DIFFERENT, 0, max(claimed.size - 1, 0),
                       f"its checkpoint of size {claimed.size} has another root")
    return claimed.size


async def refuse_more(copy: Copy, newest: Checkpoint) -> None:
    """A crash leaves entries of ours beyond the claim; nothing of ours lies beyond the newest checkpoint."""
    end = await copy.end()
    if end > newest.size:
        raise CopyDivergedError(copy.name, Divergence(Difference.EXTRA, newest.size, end - 1),
                                "it holds more than was ever published")
