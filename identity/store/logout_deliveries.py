"""The outbox of back-channel logouts: whom to tell that a session ended, until they heard it.

A row is claimed by moving its due time into the future and taken away once the client answered: a crash in between
repeats the message with the same id, and forgets none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

_QUEUE = """
INSERT INTO identity.logout_deliveries (id, client_id, user_id, session_id, uri, created_at_us, due_at_us)
SELECT gen_random_uuid()::text, told.client_id, told.user_id, told.session_id, told.uri, $2, $2
FROM (SELECT DISTINCT g.client_id, s.user_id, s.id AS session_id, c.settings->>'backchannel_logout_uri' AS uri
      FROM identity.sessions s
      JOIN identity.grants g ON g.user_id = s.user_id AND (g.session_id = s.id OR g.terms->>'sid' = s.id)
      JOIN identity.clients c ON c.id = g.client_id
      WHERE s.id = ANY($1) AND 'openid' = ANY(g.scopes) AND c.settings ? 'backchannel_logout_uri') told
WHERE told.uri IS NOT NULL
RETURNING 1"""


@dataclass(frozen=True, slots=True)
class LogoutDelivery:
    """One client to be told of one ended session; `id` is the `jti` at every try."""

    id: str
    client_id: str
    user_id: str
    session_id: str | None
    uri: str
    created_at_us: int
    tries: int


class LogoutDeliveries:
    """Reads and writes identity.logout_deliveries."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def queue(self, session_ids: Sequence[str], now_us: int) -> int:
        """Queue a message to every client that got tokens in these sessions and wants to hear; answer how many."""
        return len(await self._executor.fetch(_QUEUE, list(session_ids), now_us))

    async def live_sessions_of(self, user_id: str, now_us: int) -> list[str]:
        """Return the sessions of a person that are still going."""
        rows = await self._executor.fetch(
            """SELECT id FROM identity.sessions
            WHERE user_id = $1 AND ended_at_us IS NULL AND expires_at_us > $2 ORDER BY id""", user_id, now_us)
        return [row["id"] for row in rows]

    async def claim_due(self, now_us: int, until_us: int, limit: int) -> list[LogoutDelivery]:
        """Return messages that are due; nobody else gets them before `until_us`."""
        rows = await self._executor.fetch(
            """UPDATE identity.logout_deliveries SET due_at_us = $2, tries = tries + 1 WHERE id IN (
                SELECT id FROM identity.logout_deliveries WHERE due_at_us <= $1 ORDER BY due_at_us LIMIT $3
                FOR UPDATE SKIP LOCKED)
            RETURNING id, client_id, user_id, session_id, uri, created_at_us, tries""", now_us, until_us, limit)
        return [LogoutDelivery(*row) for row in rows]

    async def done(self, delivery_id: str) -> None:
        """Take away a message that was answered, or that nobody will answer."""
        await self._executor.execute("DELETE FROM identity.logout_deliveries WHERE id = $1", delivery_id)

    async def failed(self, delivery_id: str, due_at_us: int, error: str) -> None:
        """Try again later."""
        await self._executor.execute(
            "UPDATE identity.logout_deliveries SET due_at_us = $2, last_error = $3 WHERE id = $1",
            delivery_id, due_at_us, error)
