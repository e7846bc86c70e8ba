"""A grant that was once used as its person never does is suspect in every hand, until a new sign-in replaces it.

The score of one request is about that request; who holds a stolen token would else be refused at one address while the
same token went on from another. The person signs in again and has a new grant. Nobody else can bring this about: it
takes the token itself.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from shared_kernel.errors import UnavailableError

SUSPECT_FROM = 80
"""The score from which policy refuses as well."""
HELD_US = 900_000_000
MAX_HELD = 10_000
TOPIC = "risk"

Tell = Callable[[str, str], Awaitable[None]]
_log = structlog.get_logger("gridwarden.gateway")


class Suspicion:
    """The highest score of each suspect grant, for a quarter of an hour; told to every process."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._held: dict[str, tuple[int, int]] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def of(self, grant_id: str | None, now_us: int) -> int:
        """Return the score a grant is held at, 0 when it is not suspect."""
        if not self._held or grant_id is None:
            return 0
        score, until_us = self._held.get(grant_id, (0, 0))
        return score if now_us < until_us else 0

    def seen(self, grant_id: str | None, score: int, now_us: int) -> None:
        """Notice the score of a request."""
        if grant_id is None or score < SUSPECT_FROM or self.of(grant_id, now_us):
            return
        self._hold(grant_id, score, now_us)
        task = asyncio.get_running_loop().create_task(self._spread(grant_id, score))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def heard(self, key: str, now_us: int) -> str:
        """Take what another process noticed, `<grant> <score>`; answer the grant."""
        grant_id, _, score = key.partition(" ")
        if score.isascii() and score.isdigit() and not self.of(grant_id, now_us):
            self._hold(grant_id, min(100, int(score)), now_us)
        return grant_id

    def _hold(self, grant_id: str, score: int, now_us: int) -> None:
        if len(self._held) >= MAX_HELD:
            self._held = {grant: held for grant, held in self._held.items() if held[1] > now_us}
        while len(self._held) >= MAX_HELD:
            del self._held[next(iter(self._held))]
        self._held[grant_id] = (score, now_us + HELD_US)

    async def _spread(self, grant_id: str, score: int) -> None:
        try:
            await self._tell(TOPIC, f"{grant_id} {score}")
        except UnavailableError as error:
            _log.warning("suspicion_not_told", reason=error.detail)
