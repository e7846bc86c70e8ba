"""The table of browser sessions."""

import asyncpg

from identity.domain.opaque import Opaque
from identity.domain.records import Session


class Sessions:
    """Reads and writes identity.sessions."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def add(self, cookie: Opaque, session: Session, *, source_ip: str, user_agent: str) -> None:
        """Begin a session that only the cookie's holder can use."""
        await self._executor.execute(
            """INSERT INTO identity.sessions
            (id, secret_hash, user_id, authenticated_at_us, expires_at_us, source_ip, user_agent, amr, acr, device_id,
            created_at_us, seen_at_us)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $4, $4)""",
            session.id, cookie.sha256, session.user_id, session.authenticated_at_us, session.expires_at_us,
            source_ip, user_agent, list(session.amr), session.acr, session.device_id)

    async def live(self, cookie: Opaque, now_us: int) -> Session | None:
        """Return the session behind a cookie while it lives and its person may log in."""
        row = await self._executor.fetchrow(
            """SELECT s.id, s.user_id, u.name, s.authenticated_at_us, s.expires_at_us, s.amr,
            s.acr, s.device_id FROM identity.sessions s JOIN identity.users u ON u.id = s.user_id
            WHERE s.id = $1 AND s.secret_hash = $2 AND s.ended_at_us IS NULL AND s.expires_at_us > $3
            AND u.status = 'active'""",
            cookie.id, cookie.sha256, now_us)
        return row and Session(row["id"], row["user_id"], row["name"], row["authenticated_at_us"],
                               row["expires_at_us"], tuple(row["amr"]), row["acr"], row["device_id"])

    async def renew(self, cookie: Opaque, session: Session) -> None:
        """Give a live session a new cookie and what was shown now; the old cookie is worth nothing any more."""
        await self._executor.execute(
            """UPDATE identity.sessions SET secret_hash = $2, authenticated_at_us = $3, expires_at_us = $4, amr = $5,
            acr = $6, device_id = $7, seen_at_us = $8 WHERE id = $1""",
            session.id, cookie.sha256, session.authenticated_at_us, session.expires_at_us, list(session.amr),
            session.acr, session.device_id, session.authenticated_at_us)

    async def end(self, session_id: str, now_us: int) -> bool:
        """End a session; answer whether it was still going."""
        return bool(await self._executor.fetchval(
            "UPDATE identity.sessions SET ended_at_us = $2 WHERE id = $1 AND ended_at_us IS NULL RETURNING true",
            session_id, now_us))

    async def end_all_of(self, user_id: str, now_us: int) -> int:
        """End every session of a person; answer how many."""
        rows = await self._executor.fetch(
            """UPDATE identity.sessions SET ended_at_us = $2
            WHERE user_id = $1 AND ended_at_us IS NULL AND expires_at_us > $2 RETURNING id""", user_id, now_us)
        return len(rows)
