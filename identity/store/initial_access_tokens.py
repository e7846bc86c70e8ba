"""The table of initial access tokens: who may register clients, how often and how long (RFC 7591 section 3)."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from identity.domain.records import InitialAccess
from identity.store.documents import from_json, to_json

_COLUMNS = "id, secret_hash, created_by, limits, uses_left, created_at_us, expires_at_us"


def _access(row: asyncpg.Record) -> InitialAccess:
    return InitialAccess(row["id"], row["secret_hash"], row["created_by"], from_json(row["limits"]), row["uses_left"],
                         row["created_at_us"], row["expires_at_us"])


class InitialAccessTokens:
    """Reads and writes identity.initial_access_tokens."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def add(self, access: InitialAccess) -> None:
        """Keep a new token."""
        await self._executor.execute(
            f"INSERT INTO identity.initial_access_tokens ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)",  # noqa: S608 - a constant
            access.id, access.secret_hash, access.created_by, to_json(access.limits), access.uses_left,
            access.created_at_us, access.expires_at_us)

    async def claim(self, token_id: str, secret_hash: bytes, now_us: int) -> Mapping[str, Any] | None:
        """Take one use; answer the limits, or None when the token is unknown, used up or over."""
        text = await self._executor.fetchval(
            """UPDATE identity.initial_access_tokens SET uses_left = uses_left - 1
            WHERE id = $1 AND secret_hash = $2 AND uses_left > 0 AND expires_at_us > $3 RETURNING limits""",
            token_id, secret_hash, now_us)
        if text is None:
            return None
        limits: Mapping[str, Any] = from_json(text)
        return limits

    async def listed(self, now_us: int) -> list[InitialAccess]:
        """Return the tokens that still work, the newest first."""
        rows = await self._executor.fetch(
            f"SELECT {_COLUMNS} FROM identity.initial_access_tokens "  # noqa: S608 - a constant
            "WHERE uses_left > 0 AND expires_at_us > $1 ORDER BY created_at_us DESC LIMIT 1000", now_us)
        return [_access(row) for row in rows]

    async def remove(self, token_id: str) -> bool:
        """Take a token back; answer whether there was one."""
        return await self._executor.fetchval(
            "DELETE FROM identity.initial_access_tokens WHERE id = $1 RETURNING true", token_id) is True
