"""The update channel in PostgreSQL: what was published, from when it decides, and the newest bundle ever admitted."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.domain.lease import Published, Reading
from policy_engine.store.faults import database_errors
from shared_kernel.errors import ConflictError

DEADLINE_S = 2.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = "version, revision, name, sequence, built_at_us, published_by, published_at, active_from"


class PendingBundleError(ConflictError):
    """The bundle published last does not decide yet."""

    def __init__(self) -> None:
        super().__init__("the bundle published last does not decide yet: publish again in a few seconds")


class RolledBackError(RefusedBundleError):
    """A newer bundle has decided already."""

    def __init__(self, sequence: int | None) -> None:
        super().__init__(f"its sequence {sequence} is not newer than what has decided before: somebody brought back an "
                         "old bundle; to return to an old policy, build it again")


class BundleChannel:
    """Reads and publishes; `steady_us` is the clock by which readings are dated."""

    def __init__(self, pool: asyncpg.Pool, steady_us: Callable[[], int]) -> None:
        self._pool = pool
        self._steady_us = steady_us

    async def read(self) -> Reading:
        """Return what the channel holds now; raise UnavailableError when it is not reached within two seconds."""
        async with self._connection() as connection:
            asked_us = self._steady_us()
            rows = await connection.fetch("SELECT * FROM policy_engine.read_channel()")
            answered_us = self._steady_us()
        return Reading(asked_us, answered_us, _microseconds(rows[0]["database_at"]), rows[0]["lease_ms"] * 1_000,
                       tuple(_published(row) for row in rows if row["version"] is not None))

    async def archive(self, version: int) -> bytes:
        """Return the archive of a published bundle, as its author signed it."""
        async with self._connection() as connection:
            return bytes(await connection.fetchval(
                "SELECT archive FROM policy_engine.bundles WHERE version = $1", version))

    async def newest(self, limit: int) -> tuple[Published, ...]:
        """Return the bundles published last, newest first."""
        async with self._connection() as connection:
            rows = await connection.fetch(
                f"SELECT {_FIELDS} FROM policy_engine.bundles ORDER BY version DESC LIMIT $1", limit)  # noqa: S608 - a constant
        return tuple(_published(row) for row in rows)

    async def admit(self, bundle: Bundle) -> None:
        """Remember a bundle that is about to decide; raise RolledBackError when a newer one, or a twin, has decided."""
        async with self._connection() as connection:
            if not await connection.fetchval("SELECT policy_engine.admit_bundle($1, $2, $3)", bundle.sequence,
                                             bundle.built_at_us, bundle.revision):
                raise RolledBackError(bundle.sequence)

    async def publish(self, bundle: Bundle, archive: bytes, *, by: str) -> None:
        """Let a bundle decide everywhere, one lease from now; once it stands, to publish it again changes nothing.

        Raises PendingBundleError, RolledBackError, and UnavailableError, after which it stands or does not.
        """
        async with self._connection() as connection:
            outcome = await connection.fetchval(
                "SELECT policy_engine.publish_bundle($1, $2, $3, $4, $5, $6)", bundle.revision, bundle.name,
                bundle.sequence, bundle.built_at_us, archive, by)
        if outcome == "pending":
            raise PendingBundleError
        if outcome != "published":
            raise RolledBackError(bundle.sequence)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        with database_errors("the policy channel"):
            async with asyncio.timeout(DEADLINE_S), self._pool.acquire() as connection:
                yield connection


def _published(row: Any) -> Published:  # noqa: ANN401 - asyncpg is untyped
    return Published(
        row["version"], row["revision"], row["name"], row["sequence"], row["built_at_us"], row["published_by"],
        _microseconds(row["published_at"]), _microseconds(row["active_from"]))


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
