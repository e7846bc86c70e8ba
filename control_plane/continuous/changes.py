"""What changed in the database, heard by every process that shares it: `NOTIFY gridwarden_changes, '<topic> <key>'`.

Triggers and services tell in the transaction that changes something; whoever listens hears after its commit. Nobody
hears what is said while the connection is down, so from its loss on, every second and once after it is back, whoever
listens is told of a *gap*: everything may have changed.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from control_plane.database.pools import open_connection
from control_plane.database.roles import APP
from shared_kernel.errors import UnavailableError

CHANNEL = "gridwarden_changes"
LOOK_S = 0.5
"""How often the connection is asked whether it still lives, and how soon a lost one is opened again."""
_PATIENCE_S = 2.0
"""How long the database may take to answer: whoever waits for it longer hears nothing meanwhile."""

Heard = Callable[[str], None]
_log = structlog.get_logger()
_heard = Counter("gridwarden_changes_heard_total", "Changes heard of, by topic", ["topic"])
_deaf = Gauge("gridwarden_changes_deaf", "1 while changes cannot be heard")
_DOWN = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError,
         UnavailableError)


class Changes:
    """Hands each change to those who want its topic; callbacks are synchronous, quick and do not raise."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._wanted: dict[str, list[Heard]] = defaultdict(list)
        self._gaps: list[Callable[[], None]] = []
        self.is_deaf = True

    def when(self, topic: str, heard: Heard) -> None:
        """Call `heard` with the key of every change of a topic."""
        self._wanted[topic].append(heard)

    def when_missed(self, missed: Callable[[], None]) -> None:
        """Call `missed` when changes may have gone unheard."""
        self._gaps.append(missed)

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                async with self._listening() as connection:
                    self._set_deaf(is_deaf=False)
                    while True:
                        await asyncio.sleep(LOOK_S)
                        await connection.execute("SELECT", timeout=_PATIENCE_S)
            except _DOWN as error:
                _log.warning("changes_not_heard", error=type(error).__name__)
            self._set_deaf(is_deaf=True)
            await asyncio.sleep(LOOK_S)

    async def check(self) -> None:
        """Raise UnavailableError while nothing is heard: rights taken away take effect by their time to live only."""
        if self.is_deaf:
            raise UnavailableError("changes made by other processes are not heard of at once: PostgreSQL is away")

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[Any]:
        async with asyncio.timeout(_PATIENCE_S):
            connection = await open_connection(self._url, APP)
        try:
            await connection.add_listener(CHANNEL, self._take)
            yield connection
        finally:
            connection.terminate()

    def _set_deaf(self, *, is_deaf: bool) -> None:
        self.is_deaf = is_deaf
        _deaf.set(is_deaf)
        for missed in self._gaps:
            missed()

    def _take(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        topic, _, key = str(payload).partition(" ")
        _heard.labels(topic if topic in self._wanted else "other").inc()
        for heard in self._wanted.get(topic, ()):
            heard(key)


async def tell(pool: asyncpg.Pool, topic: str, key: str) -> None:
    """Tell every process on this database, this one included; raise UnavailableError when that is impossible."""
    try:
        await pool.execute("SELECT pg_notify($1, $2)", CHANNEL, f"{topic} {key}")
    except _DOWN as cause:
        raise UnavailableError(f"nobody could be told of a change ({type(cause).__name__})") from cause
