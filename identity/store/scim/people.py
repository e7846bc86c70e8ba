"""People as SCIM sees them: found by a filter, written with what only SCIM knows of them."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from identity.domain.records import User
from identity.domain.scim.filters import AttributePath, Filter
from identity.domain.scim.people import Person
from identity.store.documents import from_json, to_json
from identity.store.scim.columns import PLACES_OF_PEOPLE
from identity.store.scim.conditions import Conditions

_COLUMNS = ("u.id, u.name, u.password_hash, u.status, u.roles, u.created_at_us, u.email, u.is_email_verified, "
            "u.profile, u.external_id, u.updated_at_us, u.version, u.scim")
_GROUPS = ("(SELECT coalesce(json_agg(json_build_array(r.id, CASE WHEN r.is_built_in THEN r.name ELSE r.display_name "
           "END) ORDER BY r.name), '[]') FROM identity.roles r WHERE r.name = ANY(u.roles)) AS groups")


class ScimPeople:
    """Reads and writes identity.users for SCIM."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def get(self, user_id: str) -> Person | None:
        """Return a person."""
        return _person(await self._executor.fetchrow(
            f"SELECT {_COLUMNS}, {_GROUPS} FROM identity.users u WHERE u.id = $1", user_id))  # noqa: S608 - constants

    async def hold(self, user_id: str) -> Person | None:
        """Return a person, and hold the row until the transaction ends."""
        await self._executor.execute("SELECT 1 FROM identity.users WHERE id = $1 FOR UPDATE", user_id)
        return await self.get(user_id)

    async def search(self, condition: Filter | None, *, sort: AttributePath | None = None,  # noqa: PLR0913 - a question's parts
                     is_descending: bool = False, skip: int = 0, limit: int = 0,
                     is_lenient: bool = False) -> tuple[int, list[Person]]:
        """Return how many people hold a condition, and a page of them."""
        writer = Conditions(PLACES_OF_PEOPLE, first=3, is_lenient=is_lenient)
        where = writer.sql(condition) if condition is not None else "true"
        order = writer.order(sort, is_descending=is_descending) + ", u.id" if sort is not None else "u.id"
        rows = await self._executor.fetch(
            f"SELECT {_COLUMNS}, {_GROUPS} FROM identity.users u WHERE {where} "  # noqa: S608 - written by Conditions
            f"ORDER BY {order} OFFSET $1 LIMIT $2", skip, limit, *writer.parameters)
        if skip == 0 and len(rows) < limit:
            return len(rows), _people(rows)
        counter = Conditions(PLACES_OF_PEOPLE, is_lenient=is_lenient)
        where = counter.sql(condition) if condition is not None else "true"
        total = await self._executor.fetchval(
            f"SELECT count(*) FROM identity.users u WHERE {where}", *counter.parameters)  # noqa: S608 - see above
        return int(total), _people(rows)

    async def write_more(self, user_id: str, more: dict[str, Any]) -> None:
        """Replace what only SCIM knows of a person."""
        await self._executor.execute("UPDATE identity.users SET scim = $2 WHERE id = $1", user_id, to_json(more))

    async def existing(self, user_ids: Sequence[str]) -> set[str]:
        """Return which of these people there are, and keep them there until the transaction ends."""
        rows = await self._executor.fetch(
            "SELECT id FROM identity.users WHERE id = ANY($1) ORDER BY id FOR UPDATE", list(user_ids))
        return {row["id"] for row in rows}


def _people(rows: Sequence[asyncpg.Record]) -> list[Person]:
    return [person for row in rows if (person := _person(row))]


def _person(row: asyncpg.Record | None) -> Person | None:
    if row is None:
        return None
    user = User(row["id"], row["name"], row["password_hash"], row["status"], frozenset(row["roles"]),
                row["created_at_us"], row["email"], row["is_email_verified"], from_json(row["profile"]),
                row["external_id"], row["updated_at_us"], row["version"])
    groups = tuple((group_id, display) for group_id, display in from_json(row["groups"]))
    return Person(user, from_json(row["scim"]), groups)
