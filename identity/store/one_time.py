"""The tables of credentials that work once: codes and refresh tokens.

A claim is one UPDATE on an unused row: of any number of simultaneous claims PostgreSQL lets exactly one through, and
the others see it used once the winner's transaction has ended. It touches nothing for a foreign client.
"""

import asyncpg

from identity.domain.opaque import Opaque
from identity.domain.records import StoredCode, StoredRefresh

_CODE = "c.grant_id, g.client_id, c.redirect_uri, c.code_challenge, c.nonce, c.expires_at_us, c.jkt"
_REFRESH = "r.grant_id, g.client_id, r.scopes, r.expires_at_us, r.jkt, r.certificate"


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
            f"""SELECT {_CODE} FROM identity.codes c JOIN identity.grants g ON g.id = c.grant_id
            WHERE c.id = $1 AND c.secret_hash = $2""", code.id, code.sha256)  # noqa: S608 - a constant
        return row and StoredCode(code.id, *row)

    async def claim(self, code: Opaque, client_id: str, now_us: int) -> StoredCode | None:
        """Use the client's own code up and return what it is bound to; None when this call is not the one that did."""
        row = await self._executor.fetchrow(
            f"""UPDATE identity.codes c SET used_at_us = $4 FROM identity.grants g
            WHERE c.id = $1 AND c.secret_hash = $2 AND c.used_at_us IS NULL
            AND g.id = c.grant_id AND g.client_id = $3 RETURNING {_CODE}""",  # noqa: S608 - a constant
            code.id, code.sha256, client_id, now_us)
        return row and StoredCode(code.id, *row)


class RefreshTokens:
    """Reads and writes identity.refresh_tokens."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def add(self, token: Opaque, stored: StoredRefresh) -> None:
        """Keep a refresh token's hash."""
        await self._executor.execute(
            """INSERT INTO identity.refresh_tokens
            (id, secret_hash, grant_id, scopes, expires_at_us, jkt, certificate)
            VALUES ($1, $2, $3, $4, $5, $6, $7)""",
            token.id, token.sha256, stored.grant_id, sorted(stored.scopes), stored.expires_at_us,
            stored.jkt, stored.certificate)

    async def find(self, token: Opaque) -> StoredRefresh | None:
        """Return what the token is bound to, used or not."""
        row = await self._executor.fetchrow(
            f"""SELECT {_REFRESH} FROM identity.refresh_tokens r JOIN identity.grants g ON g.id = r.grant_id
            WHERE r.id = $1 AND r.secret_hash = $2""", token.id, token.sha256)  # noqa: S608 - a constant
        return _refresh(token.id, row)

    async def unused(self, token: Opaque) -> StoredRefresh | None:
        """Return what the token is bound to, None once it was used: for a look without a claim."""
        row = await self._executor.fetchrow(
            f"""SELECT {_REFRESH} FROM identity.refresh_tokens r JOIN identity.grants g ON g.id = r.grant_id
            WHERE r.id = $1 AND r.secret_hash = $2 AND r.used_at_us IS NULL""",  # noqa: S608 - a constant
            token.id, token.sha256)
        return _refresh(token.id, row)

    async def claim(self, token: Opaque, client_id: str, now_us: int) -> StoredRefresh | None:
        """Use the client's own token up and return what it is bound to; None when this call is not the one."""
        row = await self._executor.fetchrow(
            f"""UPDATE identity.refresh_tokens r SET used_at_us = $4 FROM identity.grants g
            WHERE r.id = $1 AND r.secret_hash = $2 AND r.used_at_us IS NULL
            AND g.id = r.grant_id AND g.client_id = $3 RETURNING {_REFRESH}""",  # noqa: S608 - a constant
            token.id, token.sha256, client_id, now_us)
        return _refresh(token.id, row)

    async def claim_again(self, token_id: str, now_us: int, grace_us: int) -> bool:
        """Allow one repetition shortly after the first use, for a client whose answer got lost."""
        return bool(await self._executor.fetchval(
            """UPDATE identity.refresh_tokens SET reused_at_us = $2
            WHERE id = $1 AND reused_at_us IS NULL AND used_at_us >= $3 RETURNING true""",
            token_id, now_us, now_us - grace_us))


def _refresh(token_id: str, row: asyncpg.Record | None) -> StoredRefresh | None:
    return row and StoredRefresh(token_id, row["grant_id"], row["client_id"], frozenset(row["scopes"]),
                                 row["expires_at_us"], row["jkt"], row["certificate"])
