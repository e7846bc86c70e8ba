"""What each person allowed each client: scopes and resources add up, of details the last answer counts."""

from collections.abc import Iterable, Mapping
from typing import Any

import asyncpg

from identity.domain.oauth.due import Consented
from identity.store.documents import from_json, to_json

NOTHING = Consented()


class Consents:
    """Reads and writes identity.consents."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def of(self, user_id: str, client_id: str) -> Consented:
        """Return what this person already allowed this client."""
        row = await self._executor.fetchrow(
            """SELECT scopes, resources, authorization_details FROM identity.consents
            WHERE user_id = $1 AND client_id = $2""", user_id, client_id)
        return NOTHING if row is None else Consented(
            frozenset(row["scopes"]), frozenset(row["resources"]), tuple(from_json(row["authorization_details"])))

    async def add(self, user_id: str, client_id: str, *, scopes: Iterable[str], resources: Iterable[str],  # noqa: PLR0913 - a consent's parts
                  details: Iterable[Mapping[str, Any]], now_us: int) -> None:
        """Add to what this person allows this client."""
        await self._executor.execute(
            """INSERT INTO identity.consents AS known
            (user_id, client_id, scopes, resources, authorization_details, granted_at_us)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (user_id, client_id) DO UPDATE SET granted_at_us = excluded.granted_at_us,
            scopes = ARRAY(SELECT DISTINCT unnest(known.scopes || excluded.scopes) ORDER BY 1),
            resources = ARRAY(SELECT DISTINCT unnest(known.resources || excluded.resources) ORDER BY 1),
            authorization_details = excluded.authorization_details""",
            user_id, client_id, sorted(scopes), sorted(resources), to_json(list(details)), now_us)
