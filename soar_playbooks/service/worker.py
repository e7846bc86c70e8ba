"""The worker: claims runs nobody holds, carries out several at once, and wakes when something was opened."""

import asyncio
import contextlib

import structlog
from prometheus_client import Gauge

from shared_kernel.errors import UnavailableError
from soar_playbooks.domain.errors import LeaseLostError
from soar_playbooks.service.executor import Executor
from soar_playbooks.store.journal import Claim, JournalStore

UNDER_WAY = Gauge("gridwarden_soar_runs_under_way", "Runs this process holds.")
CONCURRENCY = 16
POLL_S = 0.5
log = structlog.get_logger()


class Worker:
    """Runs until cancelled; then it gives back what it holds."""

    def __init__(
        self, journal: JournalStore, executor: Executor, *, lease_s: float, concurrency: int = CONCURRENCY,
    ) -> None:
        self._journal, self._executor, self._lease_s, self._concurrency = journal, executor, lease_s, concurrency
        self._tasks: set[asyncio.Task[None]] = set()
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """Look for work now."""
        self._awake.set()

    async def run(self) -> None:
        """Claim and carry out, until cancelled."""
        try:
            while True:
                self._awake.clear()
                if not await self._claim():
                    await self._sleep()
        finally:
            await self._give_back()

    async def _claim(self) -> bool:
        """Start what is free; answer whether there may be more."""
        room = self._concurrency - len(self._tasks)
        try:
            claims = await self._journal.claim(room, self._lease_s) if room else []
        except UnavailableError as error:
            log.warning("playbooks_wait", why=error.detail)
            return False
        for claim in claims:
            task = asyncio.create_task(self._carry_out(claim))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        UNDER_WAY.set(len(self._tasks))
        return len(claims) > 0 and len(self._tasks) < self._concurrency

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        UNDER_WAY.set(len(self._tasks))
        self._awake.set()

    async def _sleep(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._awake.wait()

    async def _carry_out(self, claim: Claim) -> None:
        try:
            await self._executor.carry_out(claim)
        except (LeaseLostError, UnavailableError) as error:
            # Another worker holds it, or nothing can be written: the lease's end hands it on.
            log.warning("playbook_run_left", run_id=claim.run.run_id, why=error.detail)
        except Exception as error:
            log.exception("playbook_run_raised", run_id=claim.run.run_id)
            with contextlib.suppress(LeaseLostError, UnavailableError):
                await self._executor.give_up(claim.run, error)

    async def _give_back(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(UnavailableError):
            await self._journal.release()
