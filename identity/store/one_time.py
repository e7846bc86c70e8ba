"""The tables of credentials that work once: codes and refresh tokens.

A claim is one UPDATE on an unused row: of any number of simultaneous claims PostgreSQL lets exactly one through, and
the others see it used once the winner's transaction has ended.
"""

import asyncpg

from identity.domain.opaque import Opaque
from identity.domain.records import StoredCode, StoredRefresh


class Codes:
    """Reads and writes identity.codes."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def add(self, code: Opaque, stored: StoredCode) -> None:
        """Keep a code's hash and what it is bound to."""
        await self._executor.execute(
            """INSERT INTO identity.codes
            (id, secret_hash, grant_id, redirect_uri, code_challenge, nonce, expires_at_us, jkt)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
            code.id, code.sha256, stored.grant_id, stored.redirect_uri, stored.code_challenge, stored.nonce,
            stored.expires_at_us, stored.jkt)

    async def find(self, code: Opaque) -> StoredCode | None:
        """Return what the code is bound to, used or not."""
        row = await self._executor.fetchrow(
            """SELECT c.grant_id, g.client_id, c.redirect_uri, c.code_challenge, c.nonce, c.expires_at_us, c.jkt
            FROM identity.codes c JOIN identity.grants g ON g.id = c.grant_id
            WHERE c.id = $1 AND c.secret_hash = $2""", code.id, code.sha256)
        return row and StoredCode(code.id, *row)

    async def claim(self, code_id: str, now_us: int) -> bool:
        """Use the code up; answer whether this call is the one that did."""
        return bool(await self._executor.fetchval(
            "UPDATE identity.codes SET used_at_us = $2 WHERE id = $1 AND used_at_us IS NULL RETURNING true",
            code_id, now_us))


class RefreshTokens:
    """Reads and writes identity.refresh_tokens."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def add(self, token: Opaque, stored: StoredRefresh) -> None:
        """Keep a refresh token's hash."""
        await self._executor.execute(
            """INSERT INTO identity.refresh_tokens (id, secret_hash, grant_id, scopes, expires_at_us, jkt)
            VALUES ($1, $2, $3, $4, $5, $6)""",
            token.id, token.sha256, stored.grant_id, sorted(stored.scopes), stored.expires_at_us,
            stored.jkt)

    async def find(self, token: Opaque) -> StoredRefresh | None:
        """Return what the token is bound to, used or not."""
        row = await self._executor.fetchrow(
            """SELECT r.grant_id, g.client_id, r.scopes, r.expires_at_us, r.jkt
            FROM identity.refresh_tokens r JOIN identity.grants g ON g.id = r.grant_id
            WHERE r.id = $1 AND r.secret_hash = $2""", token.id, token.sha256)
        return row and StoredRefresh(token.id, row["grant_id"], row["client_id"], frozenset(row["scopes"]),
                                     row["expires_at_us"], row["jkt"])

    async def claim(self, token_id: str, now_us: int) -> bool:
        """Use the token up; answer whether this call is the one that did."""
        return bool(await self._executor.fetchval(
            "UPDATE identity.refresh_tokens SET used_at_us = $2 WHERE id = $1 AND used_at_us IS NULL RETURNING true",
            token_id, now_us))

    async def claim_again(self, token_id: str, now_us: int, grace_us: int) -> bool:
        """Allow one repetition shortly after the first use, for a client whose answer got lost."""
        return bool(await self._executor.fetchval(
            """UPDATE identity.refresh_tokens SET reused_at_us = $2
            WHERE id = $1 AND reused_at_us IS NULL AND used_at_us >= $3 RETURNING true""",
            token_id, now_us, now_us - grace_us))
