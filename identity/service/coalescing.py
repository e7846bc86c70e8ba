"""Many questions at once, one statement: whoever asks while a statement runs is answered together by the next one.

A question is never answered by a statement that began before it was asked: what it learns is no older than itself.
Alone, a question waits for nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

MAX_BATCH = 256

K = TypeVar("K")
V = TypeVar("V")


class Coalescing(Generic[K, V]):
    """Asks `ask` for batches of keys, one batch at a time; a key without an answer is answered by None."""

    def __init__(self, ask: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._ask = ask
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._running: asyncio.Task[None] | None = None

    async def of(self, key: K) -> V | None:
        """Return the answer for one key; raises what the statement raised."""
        future: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                keys = list(self._waiting)[:MAX_BATCH]
                await self._answer({key: self._waiting.pop(key) for key in keys})
        finally:
            self._running = None

    async def _answer(self, batch: Mapping[K, list[asyncio.Future[V | None]]]) -> None:
        try:
            found = await self._ask(tuple(batch))
        except Exception as error:  # noqa: BLE001 - each asker gets it
            for future in _pending(batch):
                future.set_exception(error)
            return
        for key, futures in batch.items():
            for future in futures:
                if not future.done():
                    future.set_result(found.get(key))


def _pending(batch: Mapping[K, list[asyncio.Future[V | None]]]) -> list[asyncio.Future[V | None]]:
    return [future for futures in batch.values() for future in futures if not future.done()]
