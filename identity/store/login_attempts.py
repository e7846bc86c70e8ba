"""The table of unsuccessful and running login attempts, by address and account."""

import asyncpg


class LoginAttempts:
    """Reads and writes identity.login_attempts."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def add(self, attempt_id: str, address: str, account: bytes, now_us: int) -> None:
        """Count an attempt before its password is looked at, so that parallel guesses all count."""
        await self._executor.execute(
            "INSERT INTO identity.login_attempts VALUES ($1, $2, $3, $4)", attempt_id, address, account, now_us)

    async def count(self, address: str, account: bytes, since_us: int) -> int:
        """Return how many attempts this address made on this account since then."""
        found: int = await self._executor.fetchval(
            "SELECT count(*) FROM identity.login_attempts WHERE address = $1 AND account = $2 AND at_us > $3",
            address, account, since_us)
        return found

    async def forget(self, attempt_id: str) -> None:
        """Take one attempt back."""
        await self._executor.execute("DELETE FROM identity.login_attempts WHERE id = $1", attempt_id)

    async def clear(self, address: str, account: bytes) -> None:
        """Forget what this address did on this account."""
        await self._executor.execute(
            "DELETE FROM identity.login_attempts WHERE address = $1 AND account = $2", address, account)
