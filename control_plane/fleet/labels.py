"""The catalog's labels, kept equal in every process: raised in one, they bind the others at once."""

import asyncio
import contextlib

import structlog

from control_plane.continuous.changes import Changes
from governance.service import Catalog
from shared_kernel.errors import UnavailableError

TOPIC = "label"
LOOK_S = 30.0
_log = structlog.get_logger()


class Labels:
    """Takes a new snapshot whenever a label was raised anywhere, after a gap, and now and then."""

    def __init__(self, catalog: Catalog, changes: Changes) -> None:
        self._catalog, self._changed = catalog, asyncio.Event()
        changes.when(TOPIC, lambda _dataset: self._changed.set())
        changes.when_missed(self._changed.set)

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._changed.wait()
            self._changed.clear()
            try:
                await self._catalog.refresh()
            except UnavailableError as cause:
                _log.warning("labels_wait", reason=cause.detail)
