"""The table of unsuccessful and running login attempts, by address and account."""

import asyncpg


class LoginAttempts:
    """Reads and writes identity.login_attempts."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def add(self, attempt_id: str, address: str, account: bytes, now_us: int) -> None:
        """Count an attempt before its password is looked at.

        Attempts of one bucket wait for each other's commit, so that of parallel guesses each sees those before it.
        """
        await self._executor.execute("SELECT pg_advisory_xact_lock(hashtextextended($1 || encode($2, 'hex'), 5))",
                                     address, account)
        await self._executor.execute(
            "INSERT INTO identity.login_attempts VALUES ($1, $2, $3, $4)", attempt_id, address, account, now_us)

    async def before(self, attempt_id: str, address: str, account: bytes, since_us: int) -> list[int]:
        """Return when this address made other attempts on this account since then, in order."""
        rows = await self._executor.fetch(
            """SELECT at_us FROM identity.login_attempts
            WHERE address = $1 AND account = $2 AND at_us > $3 AND id <> $4 ORDER BY at_us""",
            address, account, since_us, attempt_id)
        return [row["at_us"] for row in rows]

    async def forget(self, attempt_id: str) -> None:
        """Take one attempt back."""
        await self._executor.execute("DELETE FROM identity.login_attempts WHERE id = $1", attempt_id)

    async def clear(self, address: str, account: bytes) -> None:
        """Forget what this address did on this account."""
        await self._executor.execute(
            "DELETE FROM identity.login_attempts WHERE address = $1 AND account = $2", address, account)
