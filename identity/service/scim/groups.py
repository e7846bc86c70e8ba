"""Roles as groups under a directory's hand: who is a member has the role at the next request."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from identity.domain.people.roles import RoleRecord, new_description
from identity.domain.scim.errors import ScimError, invalid_value, not_found
from identity.domain.scim.groups import Group, role_name_of, shown
from identity.domain.scim.patch import patched
from identity.domain.scim.resources import Document, cleaned, require
from identity.domain.scim.schemas import GROUPS
from identity.service.foundation import Foundation
from identity.service.journal import acting
from identity.service.people.accounts import LastAdministratorError
from identity.service.scim.asker import Asker, Page, Search, Shown
from identity.store.database import Tables
from shared_kernel.errors import ConflictError, UnprocessableError
from shared_kernel.ids import uuid7
from shared_kernel.principal import Role


class GroupDirectory:
    """Keeps groups for SCIM."""

    kind = GROUPS

    def __init__(self, foundation: Foundation) -> None:
        self._foundation = foundation

    async def get(self, role_id: str, base: str) -> Shown:
        """Return a group."""
        async with self._foundation.database.read() as tables:
            return _shown(await tables.scim_groups.get(role_id), base)

    async def search(self, search: Search, base: str) -> Page:
        """Return a page of groups."""
        async with self._foundation.database.read() as tables:
            total, groups = await tables.scim_groups.search(
                search.condition, sort=search.sort, is_descending=search.is_descending, skip=search.start - 1,
                limit=search.count, is_lenient=search.is_lenient)
        return Page(total, [_shown(group, base) for group in groups])

    async def create(self, given: object, asker: Asker) -> Shown:
        """Create a custom role; its name, which policies may know, is drawn from the name to show."""
        document = cleaned(given, GROUPS)
        require(document, GROUPS)
        now_us, display = self._foundation.now_us(), _display(document)
        async with self._foundation.database.begin() as tables:
            role = RoleRecord(uuid7(), await _free_name(tables, display), display, now_us, now_us,
                              document.get("externalId"))
            try:
                await tables.roles.add(role)
            except ConflictError as cause:
                raise ScimError(409, cause.detail, "uniqueness") from cause
            await self._guard(tables, role, _members(document), (), asker)
            await self._seal("role_created", role, asker)
            await self._move(tables, Group(role), _members(document), asker)
            found = _shown(await tables.scim_groups.get(role.id), asker.base)
        self._foundation.states.forget()
        return found

    async def replace(self, role_id: str, given: object, asker: Asker) -> Shown:
        """Replace a group: its name and its members."""
        document = cleaned(given, GROUPS)
        require(document, GROUPS)
        return await self._changed(role_id, lambda _: document, asker)

    async def patch(self, role_id: str, message: object, asker: Asker) -> Shown:
        """Change a group by operations, all or none."""
        return await self._changed(role_id, lambda group: patched(_current(group), message, GROUPS), asker)

    async def delete(self, role_id: str, asker: Asker) -> None:
        """Take a custom role from everybody and forget it."""
        async with self._foundation.database.begin() as tables:
            group = await _held(tables, role_id, asker)
            if group.role.is_built_in:
                raise ScimError(403, f"{group.role.name} is built in: policies know it by name, it stays")
            if clients := await tables.scim_groups.clients_with(group.role.name):
                raise ScimError(409, f"{clients} clients have the role {group.role.name}: take it from them first")
            await self._move(tables, group, frozenset(), asker)
            await self._seal("role_deleted", group.role, asker)
            await tables.roles.delete(role_id)
        self._foundation.states.forget()

    async def _changed(self, role_id: str, make: Callable[[Group], Document], asker: Asker) -> Shown:
        async with self._foundation.database.begin() as tables:
            group = await _held(tables, role_id, asker)
            document = make(group)
            role = _renamed(group, document)
            has_moved = await self._move(tables, group, _members(document), asker)
            if role != group.role:
                await self._seal("role_updated", role, asker)
            if role != group.role or has_moved:
                await tables.roles.update(role, self._foundation.now_us())
            found = _shown(await tables.scim_groups.get(role_id), asker.base)
        self._foundation.states.forget()
        return found

    async def _move(self, tables: Tables, group: Group, wanted: frozenset[str], asker: Asker) -> bool:
        """Give and take the role until exactly these people have it; answer whether anything changed."""
        held = frozenset(group.members)
        coming, going = wanted - held, held - wanted
        if not coming and not going:
            return False
        await self._guard(tables, group.role, coming, going, asker)
        now_us, name = self._foundation.now_us(), group.role.name
        moves = (("role_granted", await tables.scim_groups.give(name, sorted(coming), now_us) if coming else []),
                 ("role_revoked", await tables.scim_groups.take(name, sorted(going), now_us) if going else []))
        for action, people in moves:
            for person in people:
                user = acting(asker.context.principal) | {"target": {"name": person}}
                await self._foundation.journal.seal(action, context=asker.context, user=user,
                                                    grid={"identity": {"roles": [name]}})
        return True

    async def _guard(self, tables: Tables, role: RoleRecord, coming: Iterable[str], going: Iterable[str],
                     asker: Asker) -> None:
        if role.name == Role.ADMIN and not asker.is_administrator:
            raise ScimError(403, "only administrators may say who is one")
        unknown = set(coming) - await tables.scim_people.existing(sorted({*coming, *going}))
        if unknown:
            raise invalid_value(f"there is no user {min(unknown)[:64]}")
        if role.name == Role.ADMIN:
            active = await tables.users.active_with_role(Role.ADMIN)
            if active and active <= set(going):
                raise LastAdministratorError(min(active))

    async def _seal(self, action: str, role: RoleRecord, asker: Asker) -> None:
        await self._foundation.journal.seal(action, context=asker.context, user=acting(asker.context.principal),
                                            grid={"identity": {"role": role.name, "id": role.id}})


def _shown(group: Group | None, base: str) -> Shown:
    if group is None:
        raise not_found("the group")
    return Shown(shown(group, base), group.etag)


def _current(group: Group) -> Document:
    found: Document = {"displayName": group.display_name}
    if group.role.external_id is not None:
        found["externalId"] = group.role.external_id
    if group.members:
        found["members"] = [{"value": member, "type": "User"} for member in group.members]
    return found


def _renamed(group: Group, document: Mapping[str, Any]) -> RoleRecord:
    role = replace(group.role, external_id=document.get("externalId"))
    display = _display(document)
    if display == group.display_name:
        return role
    if role.is_built_in:
        raise ScimError(400, f"{role.name} is built in: its name stays", "mutability")
    return replace(role, display_name=display)


def _display(document: Mapping[str, Any]) -> str:
    try:
        return new_description(document["displayName"])
    except UnprocessableError as cause:
        raise invalid_value(f"displayName: {cause.detail}") from cause


def _members(document: Mapping[str, Any]) -> frozenset[str]:
    members = document.get("members", [])
    if any(member.get("type", "User") != "User" for member in members):
        raise invalid_value("members are users: a role holds no role")
    if not all(member.get("value") for member in members):
        raise invalid_value("a member needs its value")
    return frozenset(member["value"] for member in members)


async def _held(tables: Tables, role_id: str, asker: Asker) -> Group:
    group = await tables.scim_groups.hold(role_id)
    if group is None:
        raise not_found("the group")
    asker.expect(group.etag)
    return group


async def _free_name(tables: Tables, display: str) -> str:
    plain = role_name_of(display)
    candidates = [plain, f"{plain}_{secrets.token_hex(3)}"]
    taken = await tables.scim_groups.taken_names(candidates)
    return next(name for name in candidates if name not in taken)
