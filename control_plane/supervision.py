"""Background work that must not die in silence: restarted with a growing pause, counted, and named by readiness."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import Counter

from shared_kernel.errors import UnavailableError

_log = structlog.get_logger()
_restarts = Counter("gridwarden_background_restarts_total", "Background tasks that failed and were restarted", ["task"])

PAUSE_FIRST_S, PAUSE_LAST_S = 0.5, 30.0
STEADY_S = 60.0
"""A task that ran this long before failing starts again with the first pause."""

Work = Callable[[], Awaitable[None]]


class Supervisor:
    """Runs named tasks until stopped."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._failing: dict[str, str] = {}

    def start(self, name: str, work: Work) -> None:
        """Run `work` until it returns; restart it when it raises."""
        self._tasks.append(asyncio.create_task(self._keep(name, work), name=name))

    async def stop(self) -> None:
        """Cancel everything and wait for it to end; what was failing fails no more."""
        ending, self._tasks = self._tasks, []
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._failing.clear()

    async def check(self) -> None:
        """Raise UnavailableError naming the tasks that are failing now."""
        if self._failing:
            raise UnavailableError("; ".join(f"{name}: {why}" for name, why in sorted(self._failing.items())))

    async def _keep(self, name: str, work: Work) -> None:
        pause = PAUSE_FIRST_S
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            calm = loop.call_later(STEADY_S, self._failing.pop, name, None)
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - whatever ended the task is reported and the task restarted
                _restarts.labels(name).inc()
                _log.exception("background_task_failed", task=name)
                self._failing[name] = f"{type(error).__name__}, restarted in {pause:g} s"
            else:
                self._failing.pop(name, None)
                return
            finally:
                calm.cancel()
            if asyncio.current_task() not in self._tasks:
                return  # cancelled: a connection that breaks meanwhile raises its own error instead
            await asyncio.sleep(pause)
            pause = PAUSE_FIRST_S if loop.time() - started > STEADY_S else min(pause * 2, PAUSE_LAST_S)
