"""Deadlines by the thousand: what asyncio.timeout promises, for one timer in all instead of one a request.

A task that is late is cancelled at the next look, so a deadline ends a task within LOOK_S after it passed. The cost of
one that is kept, which nearly all are, is an entry in a dictionary.
"""

import asyncio
from types import TracebackType
from typing import Self

LOOK_S = 0.05


class Deadlines:
    """Those of one event loop."""

    def __init__(self) -> None:
        self._pending: dict[Within, None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_looking = False

    def within(self, seconds: float) -> "Within":
        """Return a context that raises TimeoutError when its body takes longer."""
        return Within(self, seconds)

    def enter(self, entered: "Within") -> float:
        """Watch a task from now on; return the loop's time."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._pending, self._is_looking = loop, {}, False
        self._pending[entered] = None
        if not self._is_looking:
            self._is_looking = True
            loop.call_later(LOOK_S, self._look, loop)
        return loop.time()

    def leave(self, entered: "Within") -> None:
        """Watch it no longer."""
        self._pending.pop(entered, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:
            return
        now = loop.time()
        for entered in [each for each in self._pending if each.due_s <= now]:
            self.leave(entered)
            entered.expire()
        self._is_looking = bool(self._pending)
        if self._is_looking:
            loop.call_later(LOOK_S, self._look, loop)


class Within:
    """One deadline of one task; the shape of asyncio.Timeout, section `_expire` and `__aexit__`."""

    __slots__ = ("_deadlines", "_had_cancellations", "_is_expired", "_seconds", "_task", "due_s")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self._deadlines, self._seconds = deadlines, seconds
        self._task: asyncio.Task[object] | None = None
        self._is_expired, self._had_cancellations, self.due_s = False, 0, 0.0

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        if self._task is None:
            raise RuntimeError("a deadline is a task's")
        self._had_cancellations = self._task.cancelling()
        self.due_s = self._deadlines.enter(self) + self._seconds
        return self

    def expire(self) -> None:
        """Stop the task where it waits."""
        self._is_expired = True
        if self._task is not None:
            self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._deadlines.leave(self)
        is_ours = self._is_expired and self._task is not None and self._task.uncancel() <= self._had_cancellations
        if is_ours and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error


DEADLINES = Deadlines()
"""The gateway's: an event loop has one thread, so they need no lock."""
