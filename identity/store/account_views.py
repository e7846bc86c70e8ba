"""What a person sees of themselves: sessions with their devices, and the applications they allowed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from identity.domain.records import Session
from identity.store.documents import from_json


@dataclass(frozen=True, slots=True)
class SessionView:
    """A live session as its person recognises it; `since_us` is its last login."""

    id: str
    user_agent: str
    source_ip: str
    place: Mapping[str, Any]
    created_at_us: int
    seen_at_us: int
    since_us: int
    amr: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A live session as those who watch see it."""

    user_id: str
    user_name: str
    expires_at_us: int
    applications: tuple[str, ...]
    view: SessionView


@dataclass(frozen=True, slots=True)
class ApplicationView:
    """A client with what it was allowed."""

    client_id: str
    name: str
    scopes: tuple[str, ...]
    is_first_party: bool
    since_us: int


_VIEW = """s.id, s.user_agent, s.source_ip, coalesce(d.place, '{}') AS place, s.created_at_us,
            greatest(s.seen_at_us, s.authenticated_at_us) AS seen_at_us, s.authenticated_at_us AS since_us, s.amr"""


class AccountViews:
    """Reads what belongs to one person, and takes it back."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def sessions_of(self, user_id: str, now_us: int) -> list[SessionView]:
        """Return the live sessions, the one used last first."""
        rows = await self._executor.fetch(
            f"""SELECT {_VIEW} FROM identity.sessions s LEFT JOIN identity.devices d ON d.id = s.device_id
            WHERE s.user_id = $1 AND s.ended_at_us IS NULL AND s.expires_at_us > $2
            ORDER BY seen_at_us DESC, s.id LIMIT 200""", user_id, now_us)  # noqa: S608 - a constant
        return [_view(row) for row in rows]

    async def live_sessions(self, containing: str, before: tuple[int, str], limit: int, now_us: int,
                            ) -> list[LiveSession]:
        """Return live sessions of everybody whose name contains a text, the newest login first, from a place on."""
        rows = await self._executor.fetch(
            f"""SELECT {_VIEW}, s.user_id, u.name, s.expires_at_us,
            ARRAY(SELECT DISTINCT c.name FROM identity.grants g JOIN identity.clients c ON c.id = g.client_id
                  WHERE g.session_id = s.id AND g.revoked_at_us IS NULL AND g.expires_at_us > $1 ORDER BY c.name)
                AS applications
            FROM identity.sessions s JOIN identity.users u ON u.id = s.user_id
            LEFT JOIN identity.devices d ON d.id = s.device_id
            WHERE s.ended_at_us IS NULL AND s.expires_at_us > $1 AND strpos(u.name, $2) > 0
              AND (s.authenticated_at_us, s.id) < ($3, $4)
            ORDER BY s.authenticated_at_us DESC, s.id DESC LIMIT $5""",  # noqa: S608 - a constant
            now_us, containing, *before, limit)
        return [LiveSession(row["user_id"], row["name"], row["expires_at_us"], tuple(row["applications"]), _view(row))
                for row in rows]

    async def owner_of(self, session_id: str, now_us: int) -> str | None:
        """Return whose live session this is."""
        found: str | None = await self._executor.fetchval(
            "SELECT user_id FROM identity.sessions WHERE id = $1 AND ended_at_us IS NULL AND expires_at_us > $2",
            session_id, now_us)
        return found

    async def session_of(self, user_id: str, session_id: str, now_us: int) -> Session | None:
        """Return a live session if it is this person's."""
        row = await self._executor.fetchrow(
            """SELECT s.id, s.user_id, u.name, s.authenticated_at_us, s.expires_at_us, s.amr, s.acr, s.device_id
            FROM identity.sessions s JOIN identity.users u ON u.id = s.user_id
            WHERE s.user_id = $1 AND s.id = $2 AND s.ended_at_us IS NULL AND s.expires_at_us > $3""",
            user_id, session_id, now_us)
        return row and Session(row["id"], row["user_id"], row["name"], row["authenticated_at_us"],
                               row["expires_at_us"], tuple(row["amr"]), row["acr"], row["device_id"])

    async def applications_of(self, user_id: str, now_us: int) -> list[ApplicationView]:
        """Return the clients that were allowed something or hold a live grant."""
        rows = await self._executor.fetch(
            """SELECT c.id, c.name, c.first_party, k.scopes AS consented, g.scopes AS granted,
            least(k.granted_at_us, g.since_us) AS since_us
            FROM identity.clients c
            LEFT JOIN identity.consents k ON k.client_id = c.id AND k.user_id = $1
            LEFT JOIN (SELECT g.client_id, min(g.created_at_us) AS since_us,
                       array_agg(DISTINCT scope) AS scopes
                       FROM identity.grants g LEFT JOIN LATERAL unnest(g.scopes) scope ON true
                       WHERE g.user_id = $1 AND g.revoked_at_us IS NULL AND g.expires_at_us > $2
                       GROUP BY g.client_id) g ON g.client_id = c.id
            WHERE k.client_id IS NOT NULL OR g.client_id IS NOT NULL ORDER BY c.name, c.id""", user_id, now_us)
        return [ApplicationView(row["id"], row["name"],
                                tuple(sorted({*(row["consented"] or ()), *filter(None, row["granted"] or ())})),
                                row["first_party"], row["since_us"] or 0) for row in rows]

    async def take_back(self, user_id: str, client_id: str, reason: str, now_us: int) -> bool:
        """Forget what a person allowed a client and kill its grants; False when there was nothing."""
        consents = await self._executor.fetch(
            "DELETE FROM identity.consents WHERE user_id = $1 AND client_id = $2 RETURNING 1", user_id, client_id)
        grants = await self._executor.fetch(
            """UPDATE identity.grants SET revoked_at_us = $4, revoked_reason = $3
            WHERE user_id = $1 AND client_id = $2 AND revoked_at_us IS NULL AND expires_at_us > $4 RETURNING 1""",
            user_id, client_id, reason, now_us)
        return bool(consents or grants)

    async def drop_factors(self, user_id: str) -> int:
        """Forget apps, passkeys, recovery codes and known devices; answer how many apps and passkeys."""
        apps = await self._executor.fetch("DELETE FROM identity.totp_factors WHERE user_id = $1 RETURNING 1", user_id)
        keys = await self._executor.fetch("DELETE FROM identity.passkeys WHERE user_id = $1 RETURNING 1", user_id)
        await self._executor.execute("DELETE FROM identity.recovery_codes WHERE user_id = $1", user_id)
        await self._executor.execute("DELETE FROM identity.devices WHERE user_id = $1", user_id)
        return len(apps) + len(keys)

    async def revoke_grants_beside(self, user_id: str, session_id: str, reason: str, now_us: int) -> None:
        """Kill every grant of a person but those of one session."""
        await self._executor.execute(
            """UPDATE identity.grants SET revoked_at_us = $4, revoked_reason = $3
            WHERE user_id = $1 AND session_id IS DISTINCT FROM $2 AND revoked_at_us IS NULL""",
            user_id, session_id, reason, now_us)


def _view(row: asyncpg.Record) -> SessionView:
    return SessionView(row["id"], row["user_agent"] or "", row["source_ip"] or "", from_json(row["place"]),
                       row["created_at_us"] or row["seen_at_us"], row["seen_at_us"], row["since_us"], tuple(row["amr"]))
