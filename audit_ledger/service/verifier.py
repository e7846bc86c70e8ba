"""The verification: rehash every payload, hold the tree against every checkpoint, report every finding.

1. the stream exists and has entries, and no other stream has       4. every row: place, hash, link, columns, form
2. the checkpoints in the database: signature, origin               5. the root at every checkpoint's size
3. the checkpoints outside: signature, and none gone from inside    6. the stored tree nodes    7. head and length
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from time import perf_counter

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.domain.checkpoint import Checkpoint, open_checkpoint, read_unverified
from audit_ledger.domain.entry import GENESIS
from audit_ledger.domain.errors import MalformedNoteError, UncheckableError, UntrustedNoteError
from audit_ledger.domain.finding import Finding, Findings, Kind, Mode, Report
from audit_ledger.domain.head import Head
from audit_ledger.domain.merkle import Frontier, Subtree
from audit_ledger.domain.note import VerifierKey
from audit_ledger.domain.tree_check import Anchor, TreeCheck
from audit_ledger.domain.walk import Walk
from audit_ledger.service.prover import Prover
from audit_ledger.store.reader import LedgerReader
from audit_ledger.store.segments import Source, Stretch, segments
from audit_ledger.store.snapshot import LAST_POSITION, Snapshot
from shared_kernel.clock import Clock

Progress = Callable[[int, int], None]
"""Called with (entries done, entries in all)."""

STALE_AFTER_S = 900
WORTH_PROCESSES = 200_000
"""A second of work for one process; with fewer entries it is done before others have started."""
MAX_DAMAGED = 64
"""Damaged stretches are read twice; with more of them, and with endless empty ones, the others are of no help."""


@dataclass(frozen=True, slots=True)
class Team:
    """How many processes walk a ledger that has at least `from_entries`, and how many entries each takes at a time."""

    processes: int = min(2, os.cpu_count() or 1)
    from_entries: int = WORTH_PROCESSES
    segment_rows: int = 8_192


@dataclass(slots=True)
class _Run:
    """What one verification has learnt so far."""

    findings: Findings = field(default_factory=lambda: Findings([]))
    inside: list[Anchor] = field(default_factory=list)
    outside: list[Anchor] = field(default_factory=list)


class Verifier:
    """An auditor: needs the database, the log's public key, and for anchoring the checkpoints kept outside."""

    def __init__(  # noqa: PLR0913 - an auditor's whole equipment
        self, reader: LedgerReader, clock: Clock, *, key: VerifierKey | None, outside: LedgerFolder | None,
        page_rows: int = 512, stale_after_s: int = STALE_AFTER_S, team: Team | None = None,
    ) -> None:
        self._team = team or Team()
        self._reader, self._clock, self._key, self._outside = reader, clock, key, outside
        self._page_rows, self._stale_after_us = page_rows, stale_after_s * 1_000_000

    async def verify(self, progress: Progress | None = None, *, since: int = 0) -> Report:
        """Verify all entries, or those from the checkpoint of size `since` on.

        Raises UncheckableError or LedgerDownError when there is nothing to check or it cannot be read: no report is
        not a good report.
        """
        began = perf_counter()
        kept = self._outside.checkpoints() if self._outside else []  # before the snapshot: it must hold all of them
        run = _Run()
        async with self._reader.snapshot() as snapshot:
            head = await self._head(snapshot, run, has_history=bool(kept))
            await self._read_checkpoints(snapshot, run, kept)
            frontier = await self._frontier(since, run)
            tree = TreeCheck(frontier, _by_size([*run.inside, *run.outside]), run.findings)
            walk = await self._walk(snapshot, (head, frontier.size), tree, run, progress or _unseen)
            await self._check_subtrees(snapshot, tree, run)
            _check_end(head, walk, tree, run)
            anchored = max((each.size for each in tree.good if each.is_outside), default=0)
            is_stale = await self._is_stale(anchored, walk.position)
        return Report(
            stream=self._reader.stream, size=head.size, since=since, root=tree.root,
            mode=Mode.ANCHORED if anchored else Mode.UNANCHORED, is_stale=is_stale,
            findings=run.findings.ordered(), dropped_findings=run.findings.dropped,
            checkpoints_good=len(tree.good), anchored_size=anchored, holds_to=_holds_to(tree, run.findings),
            duration_ms=round((perf_counter() - began) * 1000),
        )

    async def _head(self, snapshot: Snapshot, run: _Run, *, has_history: bool) -> Head:
        """Step 1."""
        head = await snapshot.head()
        length = await snapshot.count_beyond(0)
        others = await snapshot.foreign_streams()
        if not length and not has_history and not (head and head.size):
            raise UncheckableError(f"the database has no entries of the ledger {self._reader.stream}: nothing to verify"
                                   + (f" (it has {', '.join(name for name, _ in others)})" if others else ""))
        for name, seq in others:
            run.findings.add(Finding(Kind.FOREIGN_STREAM, seq, seq, f"entries lie in the stream {name}"))
        if head is None:
            run.findings.add(Finding(Kind.HEAD_MISMATCH, length, length, "the head row is gone"))
            return Head(length, b"")
        return head

    async def _read_checkpoints(self, snapshot: Snapshot, run: _Run, kept: list[bytes]) -> None:
        """Steps 2 and 3."""
        for size, note in await snapshot.checkpoints():
            checkpoint = self._opened(note, "in the database", size, run)
            if checkpoint is not None and checkpoint.size != size:
                run.findings.add(Finding(Kind.CHECKPOINT_MISMATCH, size, size,
                                         f"the row of size {size} holds the checkpoint of size {checkpoint.size}"))
            elif checkpoint is not None:
                run.inside.append(Anchor(size, checkpoint.root, is_outside=False))
        if self._key is None:
            return
        sizes = {anchor.size for anchor in run.inside}
        for note in kept:
            checkpoint = self._opened(note, "outside the database", -1, run)
            if checkpoint is None:
                continue
            run.outside.append(Anchor(checkpoint.size, checkpoint.root, is_outside=True))
            if checkpoint.size not in sizes:
                run.findings.add(Finding(Kind.CHECKPOINT_MISSING, checkpoint.size, checkpoint.size,
                                         f"the checkpoint of size {checkpoint.size} is gone from the database"))

    def _opened(self, note: bytes, where: str, size: int, run: _Run) -> Checkpoint | None:
        try:
            if self._key is None:
                return read_unverified(note)
            return open_checkpoint(note, self._reader.stream, self._key)
        except (MalformedNoteError, UntrustedNoteError) as cause:
            run.findings.add(Finding(Kind.CHECKPOINT_SIGNATURE, max(size, 0), max(size, 0),
                                     f"a checkpoint {where} is not the ledger's: {cause.detail}"))
            return None

    async def _frontier(self, since: int, run: _Run) -> Frontier:
        """Begin at a checkpoint only if the stored tree at its size has the signed root."""
        if not since:
            return Frontier()
        roots = {anchor.root for anchor in (*run.inside, *run.outside) if anchor.size == since}
        if not roots:
            raise UncheckableError(f"there is no good checkpoint of size {since} to start from")
        frontier = await Prover(self._reader).frontier_at(since)
        if roots != {frontier.root}:
            raise UncheckableError(f"the stored tree does not carry the checkpoint of size {since}: verify from 0")
        return frontier

    async def _walk(
        self, snapshot: Snapshot, ends: tuple[Head, int], tree: TreeCheck, run: _Run, progress: Progress,
    ) -> Walk:
        """Steps 4 and 5."""
        head, since = ends
        previous = await snapshot.entry_hash(since - 1) if since else GENESIS
        walk = Walk(self._reader.stream, since=since, previous=previous or GENESIS, tree=tree, findings=run.findings)
        total = max(head.size - since, await snapshot.count_beyond(since))
        progress(0, total)
        end = min(head.size, since + total)
        async for start, stop, segment in self._stretches(snapshot, since, end):
            if segment is not None and walk.join(segment):
                progress(walk.position - since, total)
                continue
            async for page in snapshot.pages(start, self._page_rows, stop):
                walk.feed(page)
                progress(walk.position - since, total)
        walk.finish()
        return walk

    async def _stretches(self, snapshot: Snapshot, since: int, end: int) -> AsyncIterator[Stretch]:
        """Yield what other processes found whole, and last, or as the only one, the stretch without an end."""
        reader, team = self._reader, self._team
        if reader.url and team.processes > 1 and end - since >= team.from_entries:
            name, role = await snapshot.identity()
            source = Source(reader.url, role, name, reader.stream, self._page_rows)
            damaged = 0
            found = segments(source, (since, end), rows=team.segment_rows, processes=team.processes)
            async with aclosing(found):
                async for stretch in found:
                    yield stretch
                    since = stretch[1]
                    damaged += stretch[2] is None
                    if damaged > MAX_DAMAGED:
                        break
        yield since, LAST_POSITION + 1, None

    async def _check_subtrees(self, snapshot: Snapshot, tree: TreeCheck, run: _Run) -> None:
        """Step 6: what proofs are served from is what was computed."""
        computed = tree.subtrees
        async for level, index, held in snapshot.subtrees():
            place = Subtree(level, index)
            first, last = index << level, ((index + 1) << level) - 1
            expected = computed.pop(place, None)
            if expected is not None and expected != held:
                run.findings.add(Finding(Kind.TREE_MISMATCH, first, last, f"the stored tree node {place} is wrong"))
        for place in computed:
            first, last = place.index << place.level, ((place.index + 1) << place.level) - 1
            run.findings.add(Finding(Kind.TREE_MISMATCH, first, last, f"the stored tree node {place} is gone"))

    async def _is_stale(self, anchored: int, size: int) -> bool:
        """Tell whether the oldest entry beyond the last outside checkpoint has waited too long for the next."""
        if anchored >= size:
            return False
        oldest = await self._reader.entries(anchored, 1)
        return bool(oldest) and self._clock.now_us() - oldest[0].recorded_at_us > self._stale_after_us


def _check_end(head: Head, walk: Walk, tree: TreeCheck, run: _Run) -> None:
    """Step 7: as long as the head and every checkpoint say, and not longer."""
    promised = max((anchor.size for anchor in tree.unmet()), default=0)
    length = walk.position
    if max(promised, head.size) > length:
        run.findings.add(Finding(Kind.TRUNCATED, length, max(promised, head.size) - 1,
                                 f"{max(promised, head.size) - length} entries at the end are gone"))
    if head.size < length:
        run.findings.add(Finding(Kind.EXTRA, head.size, length - 1,
                                 f"entries beyond the head of {head.size}: nobody sealed them here"))
    elif head.size == length and head.entry_hash not in {walk.last_hash, b""}:
        run.findings.add(Finding(Kind.HEAD_MISMATCH, max(length - 1, 0), max(length - 1, 0),
                                 "the head is not the hash of the last entry"))


def _holds_to(tree: TreeCheck, findings: Findings) -> int:
    """Return the largest checkpoint size below the first damage."""
    first = min((found.seq for found in findings.kept), default=tree.size)
    return max((anchor.size for anchor in tree.good if anchor.size <= first), default=0)


def _by_size(anchors: list[Anchor]) -> list[Anchor]:
    return sorted(dict.fromkeys(anchors), key=lambda anchor: (anchor.size, not anchor.is_outside))


def _unseen(_done: int, _total: int) -> None:
    """Nobody watches."""
