"""Roles as SCIM sees them: groups with members."""

from collections.abc import Collection, Sequence

import asyncpg

from identity.domain.people.roles import RoleRecord
from identity.domain.scim.filters import AttributePath, Filter
from identity.domain.scim.groups import Group
from identity.store.scim.columns import PLACES_OF_GROUPS
from identity.store.scim.conditions import Conditions

_COLUMNS = ("r.id, r.name, r.display_name, r.created_at_us, r.updated_at_us, r.external_id, r.is_built_in, r.version, "
            "ARRAY(SELECT u.id FROM identity.users u WHERE u.roles @> ARRAY[r.name] ORDER BY u.id) AS members")


class ScimGroups:
    """Reads identity.roles with who has them, and writes who has them."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def get(self, role_id: str) -> Group | None:
        """Return a group."""
        return _group(await self._executor.fetchrow(
            f"SELECT {_COLUMNS} FROM identity.roles r WHERE r.id = $1", role_id))  # noqa: S608 - a constant

    async def hold(self, role_id: str) -> Group | None:
        """Return a group, and hold its role until the transaction ends."""
        await self._executor.execute("SELECT 1 FROM identity.roles WHERE id = $1 FOR UPDATE", role_id)
        return await self.get(role_id)

    async def search(self, condition: Filter | None, *, sort: AttributePath | None = None,  # noqa: PLR0913 - a question's parts
                     is_descending: bool = False, skip: int = 0, limit: int = 0,
                     is_lenient: bool = False) -> tuple[int, list[Group]]:
        """Return how many groups hold a condition, and a page of them."""
        writer = Conditions(PLACES_OF_GROUPS, first=3, is_lenient=is_lenient)
        where = writer.sql(condition) if condition is not None else "true"
        order = writer.order(sort, is_descending=is_descending) + ", r.id" if sort is not None else "r.id"
        rows = await self._executor.fetch(
            f"SELECT {_COLUMNS} FROM identity.roles r WHERE {where} "  # noqa: S608 - written by Conditions
            f"ORDER BY {order} OFFSET $1 LIMIT $2", skip, limit, *writer.parameters)
        counter = Conditions(PLACES_OF_GROUPS, is_lenient=is_lenient)
        where = counter.sql(condition) if condition is not None else "true"
        total = await self._executor.fetchval(
            f"SELECT count(*) FROM identity.roles r WHERE {where}", *counter.parameters)  # noqa: S608 - see above
        return int(total), [group for row in rows if (group := _group(row))]

    async def give(self, role: str, user_ids: Collection[str], now_us: int) -> list[str]:
        """Give a role to people; answer the names of those who did not have it."""
        rows = await self._executor.fetch(
            """UPDATE identity.users SET roles = ARRAY(SELECT unnest(array_append(roles, $1)) ORDER BY 1),
            updated_at_us = $3, version = version + 1 WHERE id = ANY($2) AND NOT roles @> ARRAY[$1] RETURNING name""",
            role, list(user_ids), now_us)
        return [row["name"] for row in rows]

    async def take(self, role: str, user_ids: Collection[str], now_us: int) -> list[str]:
        """Take a role from people; answer the names of those who had it."""
        rows = await self._executor.fetch(
            """UPDATE identity.users SET roles = array_remove(roles, $1), updated_at_us = $3, version = version + 1
            WHERE id = ANY($2) AND roles @> ARRAY[$1] RETURNING name""", role, list(user_ids), now_us)
        return [row["name"] for row in rows]

    async def clients_with(self, role: str) -> int:
        """Return how many clients have a role."""
        return int(await self._executor.fetchval(
            "SELECT count(*) FROM identity.clients WHERE $1 = ANY(roles)", role))

    async def taken_names(self, names: Sequence[str]) -> set[str]:
        """Return which of these names roles already have."""
        rows = await self._executor.fetch("SELECT name FROM identity.roles WHERE name = ANY($1)", list(names))
        return {row["name"] for row in rows}


def _group(row: asyncpg.Record | None) -> Group | None:
    if row is None:
        return None
    role = RoleRecord(row["id"], row["name"], row["display_name"], row["created_at_us"], row["updated_at_us"],
                      row["external_id"], row["is_built_in"], row["version"])
    return Group(role, tuple(row["members"]))
