"""The further gateway processes of one host: started with it, kept running, ended with it.

Each listens beside the others on the same port (SO_REUSEPORT), and the kernel spreads connections evenly: with one
socket for all, whoever woke first took all that waited. A worker holds its parent's pipe: when the parent is gone, in
whatever way, the pipe ends and the worker with it.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import structlog
from prometheus_client import Counter

from control_plane.server import GRACE_S
from shared_kernel.errors import GridwardenError, UnavailableError

MODULE = "control_plane.fleet.worker"
START_S = 120.0
PAUSE_FIRST_S, PAUSE_LAST_S, STEADY_S = 0.2, 30.0, 60.0
_log = structlog.get_logger()
_restarts = Counter("gridwarden_worker_restarts_total", "Gateway processes that ended and were started again")


class WorkersNotReadyError(GridwardenError):
    """A worker did not come up."""

    def __init__(self, missing: Sequence[int]) -> None:
        super().__init__(f"worker {', '.join(map(str, missing))} did not become ready within {START_S:g} s: its log "
                         "lines above say why; start with --workers 1 to run without")


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is told: the settings that its environment does not say, the database, and where its peers are."""

    settings: dict[str, Any]
    url: str
    peers: str


@dataclass(slots=True)
class Workers:
    """Numbers 1 to `count`; the parent is number 0."""

    count: int
    order: Order
    _ready: set[int] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep them running within; they are asked to stop, and waited for, on the way out."""
        keeping = [asyncio.create_task(self._keep(number), name=f"worker {number}") for number in self._numbers()]
        try:
            yield
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)

    async def wait_ready(self) -> None:
        """Return when all of them serve; raise WorkersNotReadyError."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                while self._missing():
                    self._changed.clear()
                    await self._changed.wait()
        if self._missing():
            raise WorkersNotReadyError(self._missing())

    async def check(self) -> None:
        """Raise UnavailableError naming those that do not serve now."""
        if missing := self._missing():
            raise UnavailableError(f"worker {', '.join(map(str, missing))} ended and is being started again")

    def _numbers(self) -> range:
        return range(1, self.count + 1)

    def _missing(self) -> list[int]:
        return [number for number in self._numbers() if number not in self._ready]

    async def _keep(self, number: int) -> None:
        pause, loop = PAUSE_FIRST_S, asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                code = await self._run(number)
            except OSError as error:
                _log.exception("worker_not_started", worker=number)
                code = error.errno or 1
            pause = PAUSE_FIRST_S if loop.time() - began > STEADY_S else pause
            _restarts.inc()
            _log.error("worker_ended", worker=number, code=code, again_in_s=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_LAST_S)

    async def _run(self, number: int) -> int:
        """Run one worker to its end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", MODULE, str(number), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        try:
            await self._hear(number, process)
            return await process.wait()
        finally:
            self._ready.discard(number)
            await _end(process)

    async def _hear(self, number: int, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            return
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps(asdict(self.order)).encode() + b"\n")
            await process.stdin.drain()
        async for line in process.stdout:
            if line.strip() == b"ready":
                _log.info("worker_ready", worker=number, pid=process.pid)
                self._ready.add(number)
                self._changed.set()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask a worker to stop, and make sure that it does."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(GRACE_S + 3):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
