"""What a store must do to hold a copy of the ledger; two do: a folder of tiles and a MongoDB."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from audit_ledger.domain.archive.copies import CopiedEntry
from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.head import Entry
from audit_ledger.domain.merkle import Subtree


class Copy(Protocol):
    """Untrusted bytes elsewhere. Every method raises CopyDownError while the store does not answer.

    `granule`: entries are taken in groups that begin at multiples of it; the last group may be shorter, and grows.
    """

    name: str
    granule: int

    async def note(self) -> bytes | None:
        """Return the newest checkpoint it claims, as it is."""

    async def end(self) -> int:
        """Return the position after the last it holds anything at."""

    async def add(self, entries: Sequence[Entry]) -> None:
        """Take consecutive entries, durably; the same twice is once. CopyDivergedError where others lie."""

    async def publish(self, note: bytes, checkpoint: Checkpoint) -> None:
        """Claim a checkpoint, after the entries it covers were added."""

    async def replace(self, entries: Sequence[Entry]) -> None:
        """Put consecutive entries in the place of whatever lies there: only for a repair."""

    async def restore(self, note: bytes, checkpoint: Checkpoint) -> None:
        """Claim this checkpoint in the place of any other and remove what it does not cover: only for a repair."""

    def read(self, start: int, stop: int) -> AsyncIterator[Sequence[CopiedEntry]]:
        """Yield what is held from `start` (a multiple of the granule) up to `stop`, in order, as it is."""

    def nodes(self, size: int) -> AsyncIterator[tuple[Subtree, bytes]]:
        """Yield the tree nodes above the leaves that it holds of a tree of `size`, as they are."""

    def notes(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the checkpoints it keeps beside the one it claims, each with the size under which it lies."""

    async def strays(self, size: int) -> int:
        """Return how many things of the log it holds that no position below `size` has use for."""

    async def close(self) -> None:
        """Let go of the store."""
