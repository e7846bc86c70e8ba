"""Work that goes on beside everything else, from `start` to `stop`."""

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar


class Background(ABC):
    """One task; a subclass says what it does."""

    name: ClassVar[str]
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """End the work, wherever it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    @abstractmethod
    async def _run(self) -> None:
        """Work until cancelled."""
