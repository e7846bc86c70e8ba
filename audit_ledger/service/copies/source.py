"""Where copies come from: the ledger's entries, each page proven to be under a signed checkpoint before it is used.

    frontier at `start` + the page's leaves, rehashed = root at `stop`     consistency proof: from it to the signed one

Nothing of it needs to be trusted: a wrong node or a wrong payload gives another root, and no proof.
"""

from collections.abc import Sequence

from audit_ledger.domain.archive.copies import GoneError, UnprovenError
from audit_ledger.domain.c2sp.checkpoint import Checkpoint, open_checkpoint
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.domain.entry import hasher
from audit_ledger.domain.errors import ForkedLedgerError, MalformedNoteError, UncheckableError, UntrustedNoteError
from audit_ledger.domain.head import Entry
from audit_ledger.domain.merkle import Subtree
from audit_ledger.domain.proofs import proves_consistency
from audit_ledger.service.prover import Prover
from audit_ledger.store.reader import LedgerReader
from shared_kernel.errors import NotFoundError

ALL = 2**62
Signed = tuple[bytes, Checkpoint]
"""A signed note, and what it says once its signature was checked."""


class ProvenEntries:
    """Reads one stream; `key` is the log's."""

    def __init__(self, reader: LedgerReader, key: VerifierKey) -> None:
        self._reader, self._key = reader, key
        self._prover = Prover(reader)
        self._hash = hasher(reader.stream)

    def opened(self, note: bytes) -> Checkpoint:
        """Return a note's checkpoint; MalformedNoteError or UntrustedNoteError unless it is this log's."""
        return open_checkpoint(note, self._reader.stream, self._key)

    async def checkpoint(self, at_most: int = ALL) -> Signed:
        """Return the newest published checkpoint of at most so many entries."""
        note = await self._reader.checkpoint_before(at_most)
        if note is None:
            raise NotFoundError("no checkpoint is published yet: there is nothing to copy")
        try:
            return note, self.opened(note)
        except (MalformedNoteError, UntrustedNoteError) as cause:
            raise UncheckableError(f"the newest checkpoint in the database is not this ledger's ({cause.detail}): "
                                   "run `gridwarden ledger verify`") from cause

    async def root(self, size: int) -> bytes:
        """Return the root of the stored tree's first `size` entries, empty when it cannot be had."""
        try:
            return (await self._prover.frontier_at(size)).root
        except ForkedLedgerError:
            return b""

    async def nodes(self, places: Sequence[Subtree]) -> list[bytes | None]:
        """Return stored tree nodes, unproven."""
        return await self._reader.nodes(places)

    async def hashes(self, start: int, stop: int) -> dict[int, bytes]:
        """Return the stored entries' hashes by position, rehashed, unproven; fewer when entries are gone."""
        found = [each for each in await self._reader.entries(start, stop - start) if each.seq < stop]
        return dict(zip((each.seq for each in found), self._rehashed(found), strict=True))

    async def entries(self, start: int, stop: int, under: Checkpoint) -> list[Entry]:
        """Return the entries from `start` up to `stop`, proven to be under the checkpoint, or UnprovenError."""
        found = await self._reader.entries(start, stop - start)
        if [each.seq for each in found] != [*range(start, stop)]:
            raise GoneError(start, stop)
        hashes = self._rehashed(found)
        if [each.entry_hash for each in found] != hashes:
            raise UnprovenError(start, stop, under.size)
        try:
            frontier = await self._prover.frontier_at(start)
            path = await self._prover.consistency(stop, under.size)
        except ForkedLedgerError as cause:
            raise UnprovenError(start, stop, under.size) from cause
        frontier.extend(hashes)
        if not proves_consistency(stop, under.size, path, frontier.root, under.root):
            raise UnprovenError(start, stop, under.size)
        return found

    def _rehashed(self, entries: Sequence[Entry]) -> list[bytes]:
        entry_hash = self._hash
        return [entry_hash(each.prev_hash, each.seq, each.recorded_at_us, each.payload) for each in entries]
