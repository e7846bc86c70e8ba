"""Roles under administration. Built-in ones stay: policies know them by name."""

from collections.abc import Iterable
from dataclasses import replace

from identity.domain.naming import new_roles
from identity.domain.people.roles import RoleRecord, new_description
from identity.service.foundation import Foundation
from identity.service.journal import acting
from identity.store.database import Tables
from shared_kernel.context import RequestContext
from shared_kernel.errors import ConflictError, NotFoundError, UnprocessableError
from shared_kernel.ids import uuid7
from shared_kernel.principal import Principal

_BUILT_IN = "the built-in role {} stays as it is: policies know it by name"


class UnknownRoleError(NotFoundError):
    """No role has this id."""

    def __init__(self) -> None:
        super().__init__("there is no such role")


class RoleDesk:
    """Keeps roles."""

    def __init__(self, foundation: Foundation) -> None:
        self._foundation = foundation

    async def listed(self, after: str, limit: int) -> list[RoleRecord]:
        """Return roles by name."""
        async with self._foundation.database.read() as tables:
            return await tables.roles.listed(after, limit)

    async def get(self, role_id: str) -> RoleRecord:
        """Return a role; raise UnknownRoleError."""
        async with self._foundation.database.read() as tables:
            found = await tables.roles.get(role_id)
        if found is None:
            raise UnknownRoleError
        return found

    async def create(self, name: str, description: str, *, by: str | Principal,
                     context: RequestContext | None = None) -> RoleRecord:
        """Create a role; raise UnprocessableError for an unfit name, ConflictError for a taken one."""
        new_roles(frozenset({name}))
        now_us = self._foundation.now_us()
        role = RoleRecord(uuid7(), name, new_description(description), now_us, now_us)
        async with self._foundation.database.begin() as tables:
            await tables.roles.add(role)
            await self._seal("role_created", role, by, context)
        return role

    async def describe(self, role_id: str, description: str, *, by: str | Principal,
                       context: RequestContext | None = None) -> RoleRecord:
        """Replace what people read about a role."""
        async with self._foundation.database.begin() as tables:
            role = await self._own(tables, role_id)
            role = await tables.roles.update(
                replace(role, display_name=new_description(description)), self._foundation.now_us())
            await self._seal("role_updated", role, by, context)
        return role

    async def delete(self, role_id: str, *, by: str | Principal, context: RequestContext | None = None) -> None:
        """Forget a role that nobody has; raise ConflictError."""
        async with self._foundation.database.begin() as tables:
            role = await self._own(tables, role_id)
            if holders := await tables.roles.holders(role.name):
                raise ConflictError(f"{holders} people and clients have the role {role.name}: take it from them first")
            await tables.roles.delete(role.id)
            await self._seal("role_deleted", role, by, context)

    async def _own(self, tables: Tables, role_id: str) -> RoleRecord:
        role = await tables.roles.find(role_id)
        if role is None:
            raise UnknownRoleError
        if role.is_built_in:
            raise ConflictError(_BUILT_IN.format(role.name))
        return role

    async def _seal(self, action: str, role: RoleRecord, by: str | Principal, context: RequestContext | None) -> None:
        await self._foundation.journal.seal(
            action, context=context, user=acting(by), grid={"identity": {"role": role.name, "id": role.id}})


async def require_known(tables: Tables, roles: Iterable[str]) -> None:
    """Return when every role exists, and keep them until the transaction ends; raise UnprocessableError."""
    if unknown := await tables.roles.unknown(roles):
        raise UnprocessableError(f"there is no role named {', '.join(unknown)}: create it first")
