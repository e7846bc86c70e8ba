"""Retention: verify the archive, seal that the entries go, record the mark, delete.

In that order, so that a crash leaves entries that could be gone, and never a gap that nobody explains.

1. the archive is a whole bundle: our verification finds nothing, and the policy accepts its checkpoint
2. it is of this ledger, covers everything from the last mark to the new one, and holds the database's very bytes
3. the mark lies under the newest checkpoint kept outside, at a tile's end, and what lies below it is old enough
4. seal `ledger_pruned`     5. record the mark     6. delete below it, batch by batch; `finish` goes on after a crash
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from audit_ledger.adapters.bundle_file import BundleFile
from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.domain.archive.bundle import CHUNK, Manifest, Record, chunk_name
from audit_ledger.domain.archive.retention import PRUNED_ACTION, PruneMark, prunable
from audit_ledger.domain.audit.finding import Verdict
from audit_ledger.domain.c2sp.checkpoint import open_checkpoint
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.domain.c2sp.tlog_policy import NONE, KnownLog, Policy
from audit_ledger.domain.entry import leaf_data_of
from audit_ledger.domain.merkle import Frontier, leaf_hash
from audit_ledger.service.audit.bundle_audit import BundleAuditor
from audit_ledger.service.audit.prune_check import prune_check, sealed_prunes
from audit_ledger.service.prover import Prover
from audit_ledger.store.pruner import LedgerPruner, Prunes
from audit_ledger.store.reader import LedgerReader
from shared_kernel.clock import Clock
from shared_kernel.errors import ConflictError
from shared_kernel.events import Recorder, security_event

log = structlog.get_logger()

Progress = Callable[[int, int], None]
"""Called with (entries done, entries in all) of the comparison, then of the deletion."""

_DAY_US = 86_400_000_000
_PAGE_ROWS = 512


class PruneRefusedError(ConflictError):
    """A condition for deleting is not met; nothing was sealed or deleted."""

    def __init__(self, why: str) -> None:
        super().__init__(f"nothing was pruned: {why}")


class Retention:
    """Deletes what is archived; needs a leading ledger as the recorder, the reader's and the pruner's role."""

    def __init__(  # noqa: PLR0913 - everything a deletion has to be held against
        self, recorder: Recorder, reader: LedgerReader, prunes: Prunes, pruner: LedgerPruner, *, folder: LedgerFolder,
        key: VerifierKey, clock: Clock, policy: Policy | None = None,
    ) -> None:
        self._recorder, self._reader, self._prunes, self._pruner = recorder, reader, prunes, pruner
        self._folder, self._key, self._clock = folder, key, clock
        self._auditor = BundleAuditor(policy or Policy((KnownLog(key),), (), (), NONE), clock)
        self._prover = Prover(reader)

    async def newest(self) -> PruneMark:
        """Return the newest mark, one of size 0 when nothing was ever pruned."""
        return max(await self._prunes.marks(), key=lambda mark: mark.size, default=PruneMark(0, b"", b""))

    async def proposed(self, keep_days: int) -> int:
        """Return the largest size below which every entry is older than so many days and may be pruned."""
        low, high = (await self.newest()).size, self._anchored()
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if await self._is_old(middle, keep_days) else (low, middle - 1)
        return prunable(low)

    async def prune(
        self, archive: Path, *, until: int, keep_days: int = 0, progress: Progress | None = None,
    ) -> PruneMark:
        """Delete the entries below `until`, rounded down to a tile's end; PruneRefusedError leaves all as it was."""
        size = prunable(until)
        newest = await self.newest()
        if size <= newest.size:
            raise PruneRefusedError(f"below {until} there is nothing left to prune, at most at multiples of 256")
        await self._refuse_young(size, keep_days)
        mark = await self._verified(archive, newest.size, size, progress or _unseen)
        await self._seal(mark, entries=size - newest.size)
        await self._pruner.mark(mark, self._clock.now_us())
        await self._delete(mark, progress or _unseen)
        return mark

    async def finish(self, progress: Progress | None = None) -> int:
        """Delete what an interrupted prune left below the newest mark, if that mark is honest; return how many."""
        mark, check = await self.newest(), await prune_check(self._reader, self._prunes)
        if check.findings:
            raise PruneRefusedError(f"{check.findings[0].detail}: run `gridwarden ledger verify`")
        return await self._delete(mark, progress or _unseen) if mark.size else 0

    def _anchored(self) -> int:
        note = self._folder.latest()
        return open_checkpoint(note, self._reader.stream, self._key).size if note else 0

    async def _is_old(self, size: int, keep_days: int) -> bool:
        last = await self._reader.entries(size - 1, 1)
        return bool(last) and last[0].recorded_at_us <= self._clock.now_us() - keep_days * _DAY_US

    async def _refuse_young(self, size: int, keep_days: int) -> None:
        """Step 3."""
        anchored = self._anchored()
        if size > anchored:
            raise PruneRefusedError(f"the newest checkpoint outside the database covers {anchored} entries, not {size}")
        if not await self._is_old(size, keep_days):
            raise PruneRefusedError(f"entries below {size} are younger than {keep_days} days")

    async def _verified(self, archive: Path, since: int, size: int, progress: Progress) -> PruneMark:
        """Steps 1 and 2."""
        with BundleFile(archive) as bundle:
            digest = await asyncio.to_thread(bundle.sha256)
            report = await asyncio.to_thread(self._auditor.verify, bundle)
            if report.verdict is not Verdict.GOOD:
                named = "; ".join(found.detail for found in report.findings[:3])
                raise PruneRefusedError(f"the archive is not good ({named or 'the quorum of witnesses is missing'})")
            self._refuse_uncovered(bundle.manifest, since, size)
            root = await self._compared(bundle, since, size, progress)
            if await asyncio.to_thread(bundle.sha256) != digest:
                raise PruneRefusedError("the archive changed while it was read")
        if (await self._prover.frontier_at(size)).root != root:
            raise PruneRefusedError(f"the stored tree nodes below {size} are not the archive's: run "
                                    "`gridwarden ledger verify`")
        return PruneMark(size, root, digest)

    def _refuse_uncovered(self, held: Manifest, since: int, size: int) -> None:
        if held.stream != self._reader.stream:
            raise PruneRefusedError(f"the archive is of the ledger {held.stream}, not of {self._reader.stream}")
        if held.first > since or held.until < size:
            raise PruneRefusedError(f"the archive holds the entries {held.first} to {held.until - 1}: "
                                    f"{since} to {size - 1} are wanted")

    async def _compared(self, bundle: BundleFile, since: int, size: int, progress: Progress) -> bytes:
        """Hold every record against the database's row, byte for byte, and return the root over the archive's."""
        held = bundle.manifest
        tree = Frontier(held.first, list(held.left))
        for first in range(held.first, size, CHUNK):
            records = (await asyncio.to_thread(list, bundle.records(chunk_name(first))))[:size - first]
            tree.extend([leaf_hash(record.leaf_data) for record in records])
            for start in range(max(first, since), first + len(records), _PAGE_ROWS):
                await self._refuse_different(start, records[start - first:start - first + _PAGE_ROWS])
            progress(max(0, tree.size - since), size - since)
        return tree.root

    async def _refuse_different(self, start: int, records: list[Record]) -> None:
        leaf_data = leaf_data_of(self._reader.stream)
        rows = await self._reader.entries(start, len(records))
        own = [Record(leaf_data(row.prev_hash, row.seq, row.recorded_at_us, row.payload), row.payload) for row in rows]
        if own != records:
            seq = next((start + place for place, pair in enumerate(zip(own, records, strict=False))
                        if pair[0] != pair[1]), start + len(own))
            raise PruneRefusedError(f"entry {seq} in the database is not the archive's: it would be evidence lost, run "
                                    "`gridwarden ledger verify`")

    async def _seal(self, mark: PruneMark, entries: int) -> None:
        """Step 4; once, even when a crash between sealing and marking brings us here again."""
        if any(mark.is_sealed_by(event) for event in await sealed_prunes(self._reader)):
            return
        await self._recorder.record(security_event(
            self._clock, PRUNED_ACTION, category="configuration", types=("deletion",),
            grid={"retention": mark.to_event(entries)},
        ))

    async def _delete(self, mark: PruneMark, progress: Progress) -> int:
        """Step 6."""
        done, total = 0, mark.size - await self._prunes.first_seq()
        while deleted := await self._pruner.delete_some(mark.size):
            done += deleted
            progress(done, total)
        log.info("ledger_pruned", size=mark.size, entries=done, archive=mark.archive_sha256.hex())
        return done


def _unseen(_done: int, _total: int) -> None:
    """Nobody watches."""
