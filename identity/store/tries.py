"""The table of requests that strangers may make only so often."""

import asyncpg


class Tries:
    """Reads and writes identity.tries."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def count(self, try_id: str, kind: str, whose: str, *, now_us: int, since_us: int) -> int:
        """Note one try and return how many there were since, this one included."""
        await self._executor.execute(
            "INSERT INTO identity.tries (id, kind, whose, at_us) VALUES ($1, $2, $3, $4)", try_id, kind, whose, now_us)
        return int(await self._executor.fetchval(
            "SELECT count(*) FROM identity.tries WHERE kind = $1 AND whose = $2 AND at_us > $3",
            kind, whose, since_us))
