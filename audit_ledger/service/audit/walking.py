"""Steps 4 and 5 of a verification: the walk over the rows, by several processes where that is worth their start."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from audit_ledger.domain.audit.finding import Findings
from audit_ledger.domain.audit.tree_check import TreeCheck
from audit_ledger.domain.audit.walk import Walk
from audit_ledger.domain.audit.walk_state import WalkState
from audit_ledger.domain.entry import GENESIS
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


Keep = Callable[[WalkState], None]
"""Called between pages with all that is known so far."""


async def begun(reader: LedgerReader, tree: TreeCheck, findings: Findings, *, is_pruned: bool) -> WalkState:
    """Return a walk that begins where the tree ends, after the entry that is stored there.

    Where that one is pruned, the first entry left says what came before it: its own hash covers that.
    """
    since = tree.size
    previous, at_us = GENESIS, 0
    for entry in await reader.entries(since - 1, 1) if since else []:
        if entry.seq == since - 1:
            previous, at_us = entry.entry_hash, entry.recorded_at_us
        elif is_pruned:
            previous = entry.prev_hash
    walk = Walk(reader.stream, since=since, previous=previous, tree=tree, findings=findings, previous_at_us=at_us)
    return WalkState(walk, tree, findings)


async def walk_on(  # noqa: PLR0913 - what is walked, up to where, and who learns of it
    reader: LedgerReader, snapshot: Snapshot, state: WalkState, size: int, *, pace: Pace, progress: Progress,
    keep: Keep,
) -> None:
    """Walk the entries that remain; the head says that they end at `size`."""
    walk = state.walk
    since = walk.position
    total = max(size, since + await snapshot.count_beyond(since))
    progress(since, total)
    async with aclosing(_stretches(reader, snapshot, (since, min(size, total)), pace)) as stretches:
        async for start, stop, segment in stretches:
            if segment is not None and walk.join(segment):
                progress(walk.position, total)
                keep(state)
                continue
            async with aclosing(snapshot.pages(start, pace.page_rows, stop)) as pages:
                async for page in pages:
                    walk.feed(page)
                    progress(walk.position, total)
                    keep(state)
    walk.finish()


async def _stretches(
    reader: LedgerReader, snapshot: Snapshot, ends: tuple[int, int], pace: Pace,
) -> AsyncGenerator[Stretch, None]:
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
