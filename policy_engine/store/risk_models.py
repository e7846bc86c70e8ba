"""Which model is active, for every process on this database; activating is the owner's right, not the gateway's."""

from dataclasses import dataclass

import asyncpg

from policy_engine.store.faults import database_errors
from shared_kernel.errors import GridwardenError

KEPT = 5


@dataclass(frozen=True, slots=True)
class ActiveModel:
    """The artifact as it was activated; nothing of it is believed before it is verified."""

    digest: str
    artifact: bytes


class NoOlderModelError(GridwardenError):
    """There is nothing to go back to."""

    def __init__(self) -> None:
        super().__init__("no other model was ever active here: train one with `gridwarden risk train`")


class RiskModelStore:
    """Reads and sets the active model."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def active_digest(self) -> str | None:
        """Return the name of the active model, None when there is none."""
        with database_errors("the active risk model"):
            found = await self._pool.fetchval("SELECT digest FROM policy_engine.risk_models WHERE is_active")
        return str(found) if found is not None else None

    async def active(self) -> ActiveModel | None:
        """Return the active model, read once, None when there is none."""
        with database_errors("the active risk model"):
            row = await self._pool.fetchrow("SELECT digest, artifact FROM policy_engine.risk_models WHERE is_active")
        return ActiveModel(row["digest"], bytes(row["artifact"])) if row is not None else None

    async def activate(self, digest: str, artifact: bytes) -> None:
        """Make a model the active one; the last five stay to go back to."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("UPDATE policy_engine.risk_models SET is_active = false WHERE is_active")
            await connection.execute(
                """INSERT INTO policy_engine.risk_models (digest, artifact, is_active) VALUES ($1, $2, true)
                ON CONFLICT (digest) DO UPDATE SET artifact = $2, is_active = true, activated_at = now()""",
                digest, artifact)
            await connection.execute(
                """DELETE FROM policy_engine.risk_models WHERE digest NOT IN (
                    SELECT digest FROM policy_engine.risk_models
                    ORDER BY is_active DESC, activated_at DESC LIMIT $1)""",
                KEPT)

    async def deactivate(self) -> bool:
        """Let no model score; tell whether one did."""
        done = await self._pool.execute("UPDATE policy_engine.risk_models SET is_active = false WHERE is_active")
        return str(done) != "UPDATE 0"

    async def previous(self) -> ActiveModel:
        """Return the model that was active before this one; raise NoOlderModelError."""
        row = await self._pool.fetchrow(
            """SELECT digest, artifact FROM policy_engine.risk_models
            WHERE NOT is_active ORDER BY activated_at DESC LIMIT 1""")
        if row is None:
            raise NoOlderModelError
        return ActiveModel(row["digest"], bytes(row["artifact"]))
