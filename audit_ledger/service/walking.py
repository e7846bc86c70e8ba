"""Steps 4 and 5 of a verification: the walk over the rows, by several processes where that is worth their start."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from audit_ledger.domain.entry import GENESIS
from audit_ledger.domain.finding import Findings
from audit_ledger.domain.tree_check import TreeCheck
from audit_ledger.domain.walk import Walk
from audit_ledger.store.reader import LedgerReader
from audit_ledger.store.segment_worker import Source
from audit_ledger.store.segments import Stretch, segments
from audit_ledger.store.snapshot import LAST_POSITION, Snapshot

Progress = Callable[[int, int], None]
"""Called with (entries done, entries in all)."""

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


@dataclass(frozen=True, slots=True)
class Pace:
    """How the rows are read."""

    page_rows: int
    team: Team


async def walked(  # noqa: PLR0913 - what is walked, from where to where, and who learns of it
    reader: LedgerReader, snapshot: Snapshot, ends: tuple[int, int], *, tree: TreeCheck, findings: Findings,
    pace: Pace, progress: Progress,
) -> Walk:
    """Walk the entries from the first of `ends` on; the head says that they end at the second."""
    since, size = ends
    previous = await snapshot.entry_hash(since - 1) if since else GENESIS
    walk = Walk(reader.stream, since=since, previous=previous or GENESIS, tree=tree, findings=findings)
    total = max(size - since, await snapshot.count_beyond(since))
    progress(0, total)
    end = min(size, since + total)
    async for start, stop, segment in _stretches(reader, snapshot, (since, end), pace):
        if segment is not None and walk.join(segment):
            progress(walk.position - since, total)
            continue
        async for page in snapshot.pages(start, pace.page_rows, stop):
            walk.feed(page)
            progress(walk.position - since, total)
    walk.finish()
    return walk


async def _stretches(
    reader: LedgerReader, snapshot: Snapshot, ends: tuple[int, int], pace: Pace,
) -> AsyncIterator[Stretch]:
    """Yield what other processes found whole, and last, or as the only one, the stretch without an end."""
    since, end = ends
    team = pace.team
    if reader.url and team.processes > 1 and end - since >= team.from_entries:
        name, role = await snapshot.identity()
        source = Source(reader.url, role, name, reader.stream, pace.page_rows)
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
