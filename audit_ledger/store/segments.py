"""Segments of a ledger checked in processes of their own, each with its own connection on the same snapshot.

A process says only "whole", or nothing: what is damaged, or what it could not read, the asking process walks itself.
"""

import asyncio
import multiprocessing
from collections import deque
from collections.abc import AsyncGenerator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice

import asyncpg
import structlog

from audit_ledger.domain.segment import SegmentWalk
from audit_ledger.domain.walk import Segment
from audit_ledger.store.faults import DRIVER_ERRORS
from audit_ledger.store.snapshot import Snapshot

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Source:
    """Where and as whom a process reads: a database, a role, an exported snapshot, a stream."""

    url: str
    role: str
    snapshot: str
    stream: str
    page_rows: int


Stretch = tuple[int, int, Segment | None]
"""From, up to, and what was found whole of it."""


async def segments(
    source: Source, ends: tuple[int, int], *, rows: int, processes: int,
) -> AsyncGenerator[Stretch, None]:
    """Yield (start, stop, what was found whole) for the stretches of `rows` entries between two positions, in order."""
    loop = asyncio.get_running_loop()
    starts = iter(range(ends[0], ends[1], rows))
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, initializer=_open, initargs=(source,))
    waiting: deque[tuple[int, int, asyncio.Future[Segment | None]]] = deque()

    def ask() -> None:
        for start in islice(starts, 1):
            stop = min(start + rows, ends[1])
            waiting.append((start, stop, loop.run_in_executor(pool, _check, start, stop)))

    at = ends[0]
    try:
        for _ in range(2 * processes):
            ask()
        while waiting:
            start, stop, answer = waiting.popleft()
            found = await answer
            ask()
            yield start, stop, found
            at = stop
    except BrokenProcessPool as cause:
        await asyncio.gather(*(answer for _, _, answer in waiting), return_exceptions=True)
        log.warning("ledger_verifies_in_one_process", reason=str(cause))
        yield at, ends[1], None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class _Worker:
    """The one connection of a process."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._runner = asyncio.Runner()
        self._snapshot = self._runner.run(self._opened())

    async def _opened(self) -> Snapshot:
        connection = await asyncpg.connect(self._source.url, timeout=10, server_settings={"role": self._source.role})
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        quoted = self._source.snapshot.replace("'", "''")
        await connection.execute(f"SET TRANSACTION SNAPSHOT '{quoted}'")
        return Snapshot(connection, self._source.stream)

    def check(self, start: int, stop: int) -> Segment | None:
        """Walk one stretch."""
        try:
            return self._runner.run(self._checked(start, stop))
        except DRIVER_ERRORS:
            return None

    async def _checked(self, start: int, stop: int) -> Segment | None:
        walk = SegmentWalk(self._source.stream, start)
        async with aclosing(self._snapshot.pages(start, self._source.page_rows, stop)) as pages:
            async for page in pages:
                if not walk.feed(page):
                    return None
        return walk.finish(stop)


_workers: list[_Worker] = []


def _open(source: Source) -> None:
    _workers.append(_Worker(source))


def _check(start: int, stop: int) -> Segment | None:
    return _workers[0].check(start, stop)
