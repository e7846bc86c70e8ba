"""Repairing a copy: first everything is proven, then the repair is an entry, then the copy is changed.

1. where the copy differs (diff)      3. the entry `copy_repaired`: which copy, which ranges, how many entries
2. the ledger's bytes for every such range, proven to be under the newest signed checkpoint; if one is not, nothing
   is done                            4. those bytes, proven again, put in place      5. diff again: nothing differs
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from audit_ledger.domain.archive.copies import CopyDivergedError, Difference, Divergence
from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.head import Entry
from audit_ledger.service.copies.diff import diff
from audit_ledger.service.copies.mirror import PAGE, Mirror
from audit_ledger.service.copies.status import claim
from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext
from shared_kernel.events import Recorder, security_event

log = structlog.get_logger()

_EVENT_RANGES = 50
"""How many ranges a `copy_repaired` entry names; the counts cover all."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair found and changed; `seq` is its entry, None when there was nothing to do."""

    name: str
    size: int
    found: tuple[Divergence, ...]
    entries: int
    seq: int | None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {"name": self.name, "size": self.size, "found": [each.to_json() for each in self.found],
                "entries": self.entries, "seq": self.seq}


async def repair(
    mirror: Mirror, recorder: Recorder, clock: Clock, *, context: RequestContext | None = None,
) -> Repair:
    """Make a copy equal to the ledger's newest checkpoint.

    Raises UnprovenError when the ledger's own bytes do not verify; then nothing was sealed and nothing changed.
    """
    async with mirror.turn:
        note, upto = await mirror.source.checkpoint()
        found = await _all_differences(mirror, upto)
        if not found:
            return Repair(mirror.copy.name, upto.size, (), 0, None)
        ranges = ranges_of(found, upto.size, mirror.copy.granule)
        async for _ in _proven(mirror, ranges, upto):
            """Step 2 asks for all before step 3 says that it will be done."""
        entries = sum(stop - start for start, stop in ranges)
        receipt = await recorder.record(security_event(
            clock, "copy_repaired", category="configuration", types=("change",), context=context,
            grid={"ledger": {"copy": mirror.copy.name, "size": upto.size, "entries": entries, "count": len(found),
                             "ranges": [each.to_json() for each in found[:_EVENT_RANGES]]}}))
        async for page in _proven(mirror, ranges, upto):
            await mirror.copy.replace(page)
        await mirror.copy.restore(note, upto)
        await _refuse_unequal(mirror, upto)
        log.info("copy_repaired", copy=mirror.copy.name, size=upto.size, entries=entries, seq=receipt.seq)
    mirror.wake.set()
    return Repair(mirror.copy.name, upto.size, found, entries, receipt.seq)


def ranges_of(found: Sequence[Divergence], size: int, granule: int) -> list[tuple[int, int]]:
    """Return the positions to write, in whole groups and without overlap; an unfinished last group always is."""
    wanted = [(each.seq, min(each.last_seq + 1, size)) for each in found if each.seq < size]
    if size % granule:
        wanted.append((size - size % granule, size))
    ranges: list[tuple[int, int]] = []
    for first, last in sorted(wanted):
        start, stop = first - first % granule, min(last + -last % granule, size)
        if ranges and start <= ranges[-1][1]:
            start, stop = ranges[-1][0], max(ranges.pop()[1], stop)
        ranges.append((start, stop))
    return ranges


async def _all_differences(mirror: Mirror, upto: Checkpoint) -> tuple[Divergence, ...]:
    """Return what differs, a wrong claim among it."""
    found = await diff(mirror.copy, mirror.source, upto)
    try:
        size = await claim(mirror.copy, mirror.source, upto)
    except CopyDivergedError as cause:
        return (*found, cause.divergence)
    if size < upto.size and not found:
        return (Divergence(Difference.MISSING, upto.size - 1, upto.size - 1),)
    return found


async def _proven(
    mirror: Mirror, ranges: Sequence[tuple[int, int]], upto: Checkpoint,
) -> AsyncIterator[Sequence[Entry]]:
    for first, stop in ranges:
        for start in range(first, stop, PAGE):
            yield await mirror.source.entries(start, min(start + PAGE, stop), upto)


async def _refuse_unequal(mirror: Mirror, upto: Checkpoint) -> None:
    """Step 5."""
    for left in (await _all_differences(mirror, upto))[:1]:
        raise CopyDivergedError(mirror.copy.name, left, "somebody changes it while it is repaired")
