"""The table of roles; who has one stands with the person or the client."""

from collections.abc import Iterable

import asyncpg

from identity.domain.people.roles import RoleRecord
from shared_kernel.errors import ConflictError

_COLUMNS = "id, name, display_name, created_at_us, updated_at_us, external_id, is_built_in, version"


class Roles:
    """Reads and writes identity.roles."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def add(self, role: RoleRecord) -> None:
        """Add a role; raise ConflictError when its name is taken."""
        added = await self._executor.fetchval(
            f"INSERT INTO identity.roles ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "  # noqa: S608 - a constant
            "ON CONFLICT DO NOTHING RETURNING id",
            role.id, role.name, role.display_name, role.created_at_us, role.updated_at_us, role.external_id,
            role.is_built_in, role.version)
        if added is None:
            raise ConflictError(f"there is already a role named {role.name}")

    async def find(self, id_or_name: str) -> RoleRecord | None:
        """Return a role, and hold the row until the transaction ends."""
        return _role(await self._executor.fetchrow(
            f"SELECT {_COLUMNS} FROM identity.roles WHERE id = $1 OR name = $1 FOR UPDATE", id_or_name))  # noqa: S608

    async def get(self, role_id: str) -> RoleRecord | None:
        """Return the role of that id."""
        return _role(await self._executor.fetchrow(
            f"SELECT {_COLUMNS} FROM identity.roles WHERE id = $1", role_id))  # noqa: S608 - a constant

    async def listed(self, after: str, limit: int) -> list[RoleRecord]:
        """Return roles by name."""
        rows = await self._executor.fetch(
            f"SELECT {_COLUMNS} FROM identity.roles WHERE name > $1 ORDER BY name LIMIT $2", after, limit)  # noqa: S608
        return [role for row in rows if (role := _role(row))]

    async def unknown(self, names: Iterable[str]) -> list[str]:
        """Return which of these names no role has; the others cannot be deleted until the transaction ends."""
        wanted = sorted(names)
        rows = await self._executor.fetch(
            "SELECT name FROM identity.roles WHERE name = ANY($1) ORDER BY name FOR SHARE", wanted)
        return sorted({*wanted} - {row["name"] for row in rows})

    async def update(self, role: RoleRecord, now_us: int) -> RoleRecord:
        """Replace description and external id, and count the version up."""
        return _role(await self._executor.fetchrow(
            "UPDATE identity.roles SET display_name = $2, external_id = $3, updated_at_us = $4, version = version + 1 "  # noqa: S608 - a constant
            f"WHERE id = $1 RETURNING {_COLUMNS}", role.id, role.display_name, role.external_id, now_us)) or role

    async def delete(self, role_id: str) -> None:
        """Forget a role."""
        await self._executor.execute("DELETE FROM identity.roles WHERE id = $1", role_id)

    async def holders(self, name: str) -> int:
        """Return how many people and clients have a role."""
        return int(await self._executor.fetchval(
            """SELECT (SELECT count(*) FROM identity.users WHERE $1 = ANY(roles))
            + (SELECT count(*) FROM identity.clients WHERE $1 = ANY(roles))""", name))


def _role(row: asyncpg.Record | None) -> RoleRecord | None:
    return row and RoleRecord(*row)
