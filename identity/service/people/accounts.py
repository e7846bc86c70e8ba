"""People: created, given roles, locked and unlocked. A change is sealed before it commits and effective at once."""

from identity.domain.naming import account_name, new_account_name, new_password, new_roles
from identity.domain.records import User
from identity.service.foundation import Foundation
from identity.service.journal import acting
from identity.service.people.passwords import Passwords
from identity.store.database import Tables
from shared_kernel.context import RequestContext
from shared_kernel.errors import ConflictError, NotFoundError
from shared_kernel.ids import secret, uuid7
from shared_kernel.principal import Principal, Role

Actor = str | Principal
_MAX_REFERENCE = 64


class UnknownUserError(NotFoundError):
    """Nobody has this id or name."""

    def __init__(self) -> None:
        super().__init__("there is no such account: name it by its id or its exact name")


class LastAdministratorError(ConflictError):
    """Nobody could administer, or unlock, anything afterwards."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is the last active administrator: make somebody else an administrator first")


class Accounts:
    """Keeps people."""

    def __init__(self, foundation: Foundation, passwords: Passwords) -> None:
        self._foundation = foundation
        self._passwords = passwords

    async def ensure_admin(self) -> str | None:
        """Create the account `admin` when there is none; answer its random password, this once."""
        async with self._foundation.database.read() as tables:
            if await tables.users.named("admin") is not None:
                return None
        password = secret()
        await self.create("admin", password, roles=frozenset({str(Role.ADMIN)}), by="gridwarden")
        return password

    async def create(self, name: str, password: str, *, roles: frozenset[str], by: Actor,
                     context: RequestContext | None = None) -> User:
        """Create a person; raise UnprocessableError for an unfit value, ConflictError for a name already taken."""
        name, roles = new_account_name(name), new_roles(roles)
        hashed = await self._passwords.hash(new_password(password))
        user = User(uuid7(), name, hashed, "active", roles, self._foundation.now_us())
        async with self._foundation.database.begin() as tables:
            await tables.users.add(user)
            await self._foundation.journal.seal("user_created", context=context, user=acting(by, user))
        return user

    async def lock(self, who: str, *, reason: str, by: Actor, context: RequestContext | None = None) -> User:
        """Lock a person out: sessions end, grants die, tokens fail at the next request.

        Raises LastAdministratorError: nobody could unlock anybody any more.
        """
        async with self._foundation.database.begin() as tables:
            user = await _found(tables, who)
            await _keep_an_administrator(tables, user)
            await tables.users.set_status(user.id, "locked", reason)
            ended = await self._end_everything(tables, user, "account_locked")
            await self._foundation.journal.seal(
                "account_locked", context=context, user=acting(by, user), reason=reason,
                grid={"identity": {"sessions_ended": ended}})
        self._foundation.states.forget()
        return user

    async def unlock(self, who: str, *, by: Actor, context: RequestContext | None = None) -> User:
        """Let a person log in again; what the lock ended stays ended."""
        async with self._foundation.database.begin() as tables:
            user = await _found(tables, who)
            await tables.users.set_status(user.id, "active", None)
            await self._foundation.journal.seal("account_unlocked", context=context, user=acting(by, user))
        return user

    async def revoke_sessions(self, who: str, *, by: Actor, context: RequestContext | None = None) -> int:
        """End every session of a person with all grants; answer how many sessions."""
        async with self._foundation.database.begin() as tables:
            user = await _found(tables, who)
            ended = await self._end_everything(tables, user, "sessions_revoked")
            await self._foundation.journal.seal(
                "sessions_revoked", context=context, user=acting(by, user),
                grid={"identity": {"sessions_ended": ended}})
        self._foundation.states.forget()
        return ended

    async def set_roles(self, who: str, roles: frozenset[str], *, by: Actor,
                        context: RequestContext | None = None) -> User:
        """Replace a person's roles: one event for what was granted, one for what was taken."""
        new_roles(roles)
        async with self._foundation.database.begin() as tables:
            user = await _found(tables, who)
            if Role.ADMIN not in roles:
                await _keep_an_administrator(tables, user)
            await tables.users.set_roles(user.id, roles)
            for action, changed in (("role_granted", roles - user.roles), ("role_revoked", user.roles - roles)):
                if changed:
                    await self._foundation.journal.seal(
                        action, context=context, user=acting(by, user, roles=sorted(roles)),
                        grid={"identity": {"roles": sorted(changed)}})
        self._foundation.states.forget()
        return User(user.id, user.name, user.password_hash, user.status, roles, user.created_at_us)

    async def get(self, user_id: str) -> User:
        """Return a person; raise UnknownUserError."""
        async with self._foundation.database.read() as tables:
            user = await tables.users.get(_reference(user_id))
        if user is None:
            raise UnknownUserError
        return user

    async def listed(self, after: str, limit: int) -> list[User]:
        """Return people by name."""
        async with self._foundation.database.read() as tables:
            return await tables.users.listed(_reference(after), limit)

    async def _end_everything(self, tables: Tables, user: User, reason: str) -> int:
        now_us = self._foundation.now_us()
        ended = await tables.sessions.end_all_of(user.id, now_us)
        await tables.grants.revoke_of_user(user.id, reason, now_us)
        return ended


async def _found(tables: Tables, who: str) -> User:
    user = await tables.users.find(_reference(who))
    if user is None:
        raise UnknownUserError
    return user


async def _keep_an_administrator(tables: Tables, user: User) -> None:
    if await tables.users.active_with_role(Role.ADMIN) == {user.id}:
        raise LastAdministratorError(user.name)


def _reference(text: str) -> str:
    """Return an id or name as stored; a text that can be neither never reaches the database."""
    name = account_name(text)
    if len(name) > _MAX_REFERENCE or not name.isprintable():
        raise UnknownUserError
    return name
