"""The table of pushed authorization requests: each used once, and that is decided by one UPDATE."""

import asyncpg

from identity.domain.oauth.pushed_request import StoredRequest
from identity.domain.opaque import Opaque
from identity.store.documents import from_json, to_json


class PushedRequests:
    """Reads and writes identity.pushed_requests."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def add(self, reference: Opaque, stored: StoredRequest) -> None:
        """Keep a request under the hash of its reference."""
        await self._executor.execute(
            """INSERT INTO identity.pushed_requests (id, secret_hash, client_id, parameters, is_signed, expires_at_us)
            VALUES ($1, $2, $3, $4, $5, $6)""",
            reference.id, reference.sha256, stored.client_id, to_json(stored.pairs), stored.is_signed,
            stored.expires_at_us)

    async def find(self, reference: Opaque) -> StoredRequest | None:
        """Return the request behind a reference, used and expired ones too."""
        row = await self._executor.fetchrow(
            """SELECT client_id, parameters, expires_at_us, is_signed, used_at_us, grant_id
            FROM identity.pushed_requests WHERE id = $1 AND secret_hash = $2""", reference.id, reference.sha256)
        if row is None:
            return None
        pairs = tuple((name, value) for name, value in from_json(row["parameters"]))
        return StoredRequest(reference.id, row["client_id"], pairs, row["expires_at_us"], row["is_signed"],
                             row["used_at_us"], row["grant_id"])

    async def claim(self, request_id: str, grant_id: str | None, now_us: int) -> bool:
        """Use the request up; answer whether this call is the one that did."""
        return bool(await self._executor.fetchval(
            """UPDATE identity.pushed_requests SET used_at_us = $3, grant_id = $2
            WHERE id = $1 AND used_at_us IS NULL RETURNING true""", request_id, grant_id, now_us))

    async def take_over(self, request_id: str, user_id: str, grant_id: str, now_us: int) -> str | None:
        """Put a new grant in the place of the one this person just got and whose code nobody redeemed.

        Answer the old grant, its code spent, or None when there is nothing to take over.
        """
        old = await self._executor.fetchval(
            "SELECT grant_id FROM identity.pushed_requests WHERE id = $1 FOR UPDATE", request_id)
        spent = await self._executor.fetchval(
            """UPDATE identity.codes SET used_at_us = $3 WHERE used_at_us IS NULL AND grant_id IN
            (SELECT id FROM identity.grants WHERE id = $1 AND user_id = $2 AND revoked_at_us IS NULL)
            RETURNING grant_id""", old, user_id, now_us)
        if spent is None:
            return None
        await self._executor.execute(
            "UPDATE identity.pushed_requests SET grant_id = $2 WHERE id = $1", request_id, grant_id)
        return str(spent)
