"""Segments of a ledger checked by several processes, this one among them, each on the same snapshot."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import cast

import structlog

from audit_ledger.domain.audit.walk import Segment
from audit_ledger.store.faults import DRIVER_ERRORS
from audit_ledger.store.segment_worker import ENDS, LENGTH, SegmentWorker, Source, answered, asked, command

log = structlog.get_logger()

_AHEAD = 4
"""Stretches under way, or done and not yet asked for, by each."""
_QUESTIONS = 2
"""Stretches a process is asked for at a time: it need not wait while we walk our own."""
_LOST = (*DRIVER_ERRORS, EOFError)

Stretch = tuple[int, int, Segment | None]
"""From, up to, and what was found whole of it."""

_Walk = Callable[[int, int], Awaitable[Segment | None]]


async def segments(
    source: Source, ends: tuple[int, int], *, rows: int, processes: int,
) -> AsyncGenerator[Stretch, None]:
    """Yield (start, stop, what was found whole) for the stretches of `rows` entries between two positions, in order.

    This process begins while the others start. When one is lost, the rest is one stretch of which nothing is known.
    """
    at = ends[0]
    async with AsyncExitStack() as stack:
        try:
            own = await SegmentWorker.opened(source)
            stack.callback(own.close)
            walks: list[_Walk] = [own.walk]
            for _ in range(processes - 1):
                walks += [await stack.enter_async_context(_process(source))] * _QUESTIONS
            team = _Team(ends, rows, walks)
            stack.push_async_callback(team.dismiss)
            while (stretch := await team.next()) is not None:
                yield stretch
                at = stretch[1]
        except _LOST as cause:
            log.warning("ledger_verifies_in_one_process", reason=type(cause).__name__)
            yield at, ends[1], None


class _Team:
    """Each walker takes the next stretch as soon as it is free."""

    def __init__(self, ends: tuple[int, int], rows: int, walks: list[_Walk]) -> None:
        self._stretches = ((start, min(start + rows, ends[1])) for start in range(*ends, rows))
        self._taken: deque[tuple[int, int, asyncio.Future[Segment | None]]] = deque()
        self._room = asyncio.Semaphore(_AHEAD * len(walks))
        self._hands = [asyncio.create_task(self._hand(walk)) for walk in walks]

    async def _hand(self, walk: _Walk) -> None:
        loop = asyncio.get_running_loop()
        await self._room.acquire()
        for start, stop in self._stretches:
            answer = loop.create_future()
            self._taken.append((start, stop, answer))
            try:
                answer.set_result(await walk(start, stop))
            except _LOST as cause:
                answer.set_exception(cause)
                return
            except asyncio.CancelledError:
                answer.cancel()
                raise
            await self._room.acquire()

    async def next(self) -> Stretch | None:
        """Return the next stretch in order, None after the last."""
        while not self._taken:
            if all(hand.done() for hand in self._hands):
                return None
            await asyncio.sleep(0)
        start, stop, answer = self._taken.popleft()
        found = await answer
        self._room.release()
        return start, stop, found

    async def dismiss(self) -> None:
        """Stop, whatever is under way."""
        for hand in self._hands:
            hand.cancel()
        await asyncio.gather(*self._hands, *(answer for _, _, answer in self._taken), return_exceptions=True)


@asynccontextmanager
async def _process(source: Source) -> AsyncGenerator[_Walk, None]:
    process = await asyncio.create_subprocess_exec(
        *command(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
    questions, answers = cast("asyncio.StreamWriter", process.stdin), cast("asyncio.StreamReader", process.stdout)
    turn = asyncio.Lock()

    async def walk(start: int, stop: int) -> Segment | None:
        questions.write(ENDS.pack(start, stop))
        async with turn:  # it answers in the order of the questions
            [length] = LENGTH.unpack(await answers.readexactly(LENGTH.size))
            return answered(await answers.readexactly(length))

    try:
        questions.write(asked(source))
        yield walk
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
