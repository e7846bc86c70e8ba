"""The table of grants: the one kill switch above codes, tokens and sessions."""

from collections.abc import Sequence

import asyncpg

from identity.domain.records import Grant, GrantState, GrantTerms
from identity.store.documents import from_document, to_document

_STATE = """
SELECT g.id, g.client_id, g.user_id, g.scopes, g.terms, g.parent_id, u.name AS user_name, g.session_id,
       s.authenticated_at_us, c.first_party,
       coalesce(u.roles, '{}') AS user_roles, c.roles AS client_roles
FROM identity.grants g
JOIN identity.clients c ON c.id = g.client_id
LEFT JOIN identity.users u ON u.id = g.user_id
LEFT JOIN identity.sessions s ON s.id = g.session_id
WHERE g.id = ANY($1) AND g.revoked_at_us IS NULL AND g.expires_at_us > $2
  AND (g.user_id IS NULL
       OR (u.status = 'active'
           AND (g.session_id IS NULL OR (s.ended_at_us IS NULL AND s.expires_at_us > $2))))"""
"""A grant without a session is one that outlives it (offline access), or a client's own."""

_ADD_ALL = """
INSERT INTO identity.grants
    (id, client_id, user_id, session_id, scopes, created_at_us, expires_at_us, terms, parent_id)
SELECT id, client_id, user_id, session_id, string_to_array(scopes, ' '), created_at_us, expires_at_us, terms, parent_id
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::jsonb[],
            $9::text[])
    AS g (id, client_id, user_id, session_id, scopes, created_at_us, expires_at_us, terms, parent_id)
WHERE EXISTS (SELECT FROM identity.clients c WHERE c.id = g.client_id)
RETURNING id"""


class Grants:
    """Reads and writes identity.grants."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def add(self, grant: Grant) -> None:
        """Add a grant."""
        await self._executor.execute(
            """INSERT INTO identity.grants
            (id, client_id, user_id, session_id, scopes, created_at_us, expires_at_us, terms, parent_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
            grant.id, grant.client_id, grant.user_id, grant.session_id, sorted(grant.scopes), grant.created_at_us,
            grant.expires_at_us, to_document(grant.terms), grant.parent_id)

    async def state(self, grant_id: str, now_us: int) -> GrantState | None:
        """Return the grant while it, its session and its person are all good."""
        return (await self.states((grant_id,), now_us)).get(grant_id)

    async def add_all(self, grants: Sequence[Grant]) -> frozenset[str]:
        """Add grants by one statement; answer the ids of those whose client is still there."""
        rows = [(grant.id, grant.client_id, grant.user_id, grant.session_id, " ".join(sorted(grant.scopes)),
                 grant.created_at_us, grant.expires_at_us, to_document(grant.terms), grant.parent_id)
                for grant in grants]
        added = await self._executor.fetch(_ADD_ALL, *zip(*rows, strict=True))
        return frozenset(row["id"] for row in added)

    async def states(self, grant_ids: Sequence[str], now_us: int) -> dict[str, GrantState]:
        """Return the grants among these that, with their sessions and people, are all good."""
        return {row["id"]: _state(row) for row in await self._executor.fetch(_STATE, grant_ids, now_us)}

    async def get(self, grant_id: str) -> Grant | None:
        """Return the grant, live or not."""
        row = await self._executor.fetchrow(
            """SELECT client_id, user_id, session_id, scopes, created_at_us, expires_at_us, terms, parent_id
            FROM identity.grants WHERE id = $1""", grant_id)
        return row and Grant(grant_id, row["client_id"], row["user_id"], row["session_id"],
                             frozenset(row["scopes"]), row["created_at_us"], row["expires_at_us"],
                             from_document(row["terms"], GrantTerms), row["parent_id"])

    async def extend(self, grant_id: str, until_us: int) -> int:
        """Let the grant live on, never longer than its session; answer until when."""
        found: int = await self._executor.fetchval(
            """UPDATE identity.grants SET expires_at_us = least($2, coalesce(
                (SELECT expires_at_us FROM identity.sessions WHERE id = session_id), $2))
            WHERE id = $1 RETURNING expires_at_us""", grant_id, until_us)
        return found

    async def revoke(self, grant_id: str, reason: str, now_us: int) -> bool:
        """Kill the grant; answer whether it was still alive."""
        return bool(await self._executor.fetchval(
            """UPDATE identity.grants SET revoked_at_us = $3, revoked_reason = $2
            WHERE id = $1 AND revoked_at_us IS NULL RETURNING true""", grant_id, reason, now_us))

    async def revoke_of_session(self, session_id: str, reason: str, now_us: int) -> None:
        """Kill every grant a browser session gave."""
        await self._executor.execute(
            """UPDATE identity.grants SET revoked_at_us = $3, revoked_reason = $2
            WHERE session_id = $1 AND revoked_at_us IS NULL""", session_id, reason, now_us)

    async def revoke_of_user(self, user_id: str, reason: str, now_us: int) -> None:
        """Kill every grant a person gave."""
        await self._executor.execute(
            """UPDATE identity.grants SET revoked_at_us = $3, revoked_reason = $2
            WHERE user_id = $1 AND revoked_at_us IS NULL""", user_id, reason, now_us)


def _state(row: asyncpg.Record) -> GrantState:
    terms = from_document(row["terms"], GrantTerms)
    at_us = row["authenticated_at_us"] or terms.authenticated_at_us
    return GrantState(
        grant_id=row["id"], client_id=row["client_id"], user_id=row["user_id"], user_name=row["user_name"],
        session_id=row["session_id"], authenticated_at_us=at_us, terms=terms,
        first_party=row["first_party"], user_roles=frozenset(row["user_roles"]),
        client_roles=frozenset(row["client_roles"]), parent_id=row["parent_id"],
        scopes=frozenset(row["scopes"]))
