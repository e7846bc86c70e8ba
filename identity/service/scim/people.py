"""People under a directory's hand. Every change is sealed before it stands, and effective at the next request."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from identity.domain.naming import new_account_name, new_email
from identity.domain.records import User
from identity.domain.scim.errors import ScimError, invalid_value, not_found
from identity.domain.scim.patch import patched
from identity.domain.scim.people import Person, document_of, shown, written
from identity.domain.scim.resources import Document, cleaned, require
from identity.domain.scim.schemas import USERS
from identity.domain.signals.events import Change, Credential, Initiator, credential_changed
from identity.service.foundation import Foundation
from identity.service.journal import acting
from identity.service.people.accounts import LastAdministratorError
from identity.service.people.endings import Endings
from identity.service.people.new_passwords import NewPasswords, known_of
from identity.service.scim.asker import Asker, Page, Search, Shown
from identity.store.database import Tables
from shared_kernel.errors import ConflictError, UnprocessableError
from shared_kernel.ids import uuid7
from shared_kernel.principal import Role

_UNTOUCHED = "\x00"
"""Stands for the password in a document under change; no client can write it."""
_UNASSIGNED = "activeIsUnassigned"


class PeopleDirectory:
    """Keeps people for SCIM."""

    kind = USERS

    def __init__(self, foundation: Foundation, passwords: NewPasswords) -> None:
        self._foundation = foundation
        self._passwords = passwords
        self._endings = Endings(foundation)

    async def get(self, user_id: str, base: str) -> Shown:
        """Return a person."""
        async with self._foundation.database.read() as tables:
            return _shown(await tables.scim_people.get(user_id), base)

    async def search(self, search: Search, base: str) -> Page:
        """Return a page of people."""
        async with self._foundation.database.read() as tables:
            total, people = await tables.scim_people.search(
                search.condition, sort=search.sort, is_descending=search.is_descending, skip=search.start - 1,
                limit=search.count, is_lenient=search.is_lenient)
        return Page(total, [_shown(person, base) for person in people])

    async def create(self, given: object, asker: Asker) -> Shown:
        """Create a person; without a password they have to set one by mail."""
        document = cleaned(given, USERS)
        require(document, USERS)
        now_us = self._foundation.now_us()
        status = "active" if document.get("active", True) else "locked"
        blank = User(uuid7(), "", None, status, frozenset(), now_us, updated_at_us=now_us)
        user, more = _checked(document, blank)
        if "password" in document:
            user = replace(user, password_hash=await self._hashed(document["password"], user))
        async with self._foundation.database.begin() as tables:
            await _unique(tables.users.add(user))
            await tables.scim_people.write_more(user.id, more)
            await self._foundation.journal.seal("user_created", context=asker.context,
                                                user=acting(asker.context.principal, user))
            return _shown(await tables.scim_people.get(user.id), asker.base)

    async def replace(self, user_id: str, given: object, asker: Asker) -> Shown:
        """Replace a person; what may not be shown or is not named stays (password, active), the rest goes."""
        document = cleaned(given, USERS)
        require(document, USERS)

        def whole(person: Person) -> Document:
            return {"active": person.user.is_active, "password": _UNTOUCHED, **document}

        return await self._changed(user_id, whole, asker)

    async def patch(self, user_id: str, message: object, asker: Asker) -> Shown:
        """Change a person by operations, all or none."""
        def parts(person: Person) -> Document:
            return patched({**_current(person), "password": _UNTOUCHED}, message, USERS)

        return await self._changed(user_id, parts, asker)

    async def delete(self, user_id: str, asker: Asker) -> None:
        """Forget a person with everything that is theirs."""
        async with self._foundation.database.begin() as tables:
            person = await _held(tables, user_id, asker)
            await _keep_an_administrator(tables, person.user)
            await self._endings.all_of(tables, person.user, "user_deleted", Initiator.ADMIN)
            await self._foundation.journal.seal("user_deleted", context=asker.context,
                                                user=acting(asker.context.principal, person.user))
            await tables.users.delete(user_id)
        self._foundation.states.forget()

    async def _changed(self, user_id: str, make: Callable[[Person], Document], asker: Asker) -> Shown:
        async with self._foundation.database.begin() as tables:
            person = await _held(tables, user_id, asker)
            document = make(person)
            user, more = _checked(document, person.user)
            user = await self._with_password(tables, document, user)
            user, more = _with_status(document, user, more)
            if person.user.is_active and not user.is_active:
                await _keep_an_administrator(tables, person.user)
            changed = sorted(name for name in {*document, *_current(person)} - {"password"}
                             if document.get(name) != _current(person).get(name))
            if changed or user != person.user:
                await _unique(tables.users.update(user, self._foundation.now_us()))
                await tables.scim_people.write_more(user.id, more)
                await self._seal(tables, person.user, user, changed, asker)
            found = _shown(await tables.scim_people.get(user.id), asker.base)
        self._foundation.states.forget()
        return found

    async def _with_password(self, tables: Tables, document: Document, user: User) -> User:
        password = document.get("password")
        if password == _UNTOUCHED:
            return user
        hashed = await self._hashed(password, user) if password is not None else None
        await tables.signal_events.emit(
            credential_changed(Credential.PASSWORD, Change.UPDATE if hashed else Change.REVOKE, Initiator.ADMIN),
            user.id, self._foundation.now_us())
        return replace(user, password_hash=hashed)

    async def _seal(self, tables: Tables, before: User, after: User, changed: list[str], asker: Asker) -> None:
        journal, by = self._foundation.journal, asker.context.principal
        if before.status != after.status:
            if after.status == "locked":
                await self._endings.all_of(tables, after, "account_locked", Initiator.ADMIN)
            await tables.users.set_status(after.id, after.status, "scim" if after.status == "locked" else None)
            action = "account_unlocked" if after.is_active else "account_locked"
            await journal.seal(action, context=asker.context, user=acting(by, after), reason="scim")
        if before.password_hash != after.password_hash:
            await self._endings.all_of(tables, after, "password_changed", Initiator.ADMIN)
            await journal.seal("password_changed", context=asker.context, user=acting(by, after))
        if changed:
            await journal.seal("user_updated", context=asker.context, user=acting(by, after, attributes=changed))

    async def _hashed(self, password: str, user: User) -> str:
        try:
            return await self._passwords.hashed(password, known=known_of(user))
        except UnprocessableError as cause:
            raise invalid_value(cause.detail) from cause


def _shown(person: Person | None, base: str) -> Shown:
    if person is None:
        raise not_found("the user")
    document = shown(person, base)
    if _UNASSIGNED in person.more and not person.user.is_active:
        document.pop("active")
    return Shown(document, person.etag)


def _current(person: Person) -> Document:
    document = document_of(person)
    if _UNASSIGNED in person.more and not person.user.is_active:
        document.pop("active")
    return document


def _checked(document: Document, user: User) -> tuple[User, dict[str, Any]]:
    """Return the account and the rest, with name and address as accounts have them."""
    found, more = written(document, user)
    try:
        name = new_account_name(document["userName"]) if document["userName"] != user.name else user.name
        email = new_email(found.email) if found.email is not None else None
    except UnprocessableError as cause:
        raise invalid_value(cause.detail) from cause
    is_verified = user.is_email_verified and email == user.email
    return replace(found, name=name, email=email, is_email_verified=is_verified), more


def _with_status(document: Document, user: User, more: dict[str, Any]) -> tuple[User, dict[str, Any]]:
    """An account whose `active` was taken away is not active."""
    wanted = document.get("active")
    if wanted is None:
        return replace(user, status="locked"), {**more, _UNASSIGNED: True}
    if wanted == user.is_active:
        return user, more
    return replace(user, status="active" if wanted else "locked"), more


async def _held(tables: Tables, user_id: str, asker: Asker) -> Person:
    person = await tables.scim_people.hold(user_id)
    if person is None:
        raise not_found("the user")
    asker.guard(person.user)
    asker.expect(person.etag)
    return person


async def _keep_an_administrator(tables: Tables, user: User) -> None:
    if await tables.users.active_with_role(Role.ADMIN) == {user.id}:
        raise LastAdministratorError(user.name)


async def _unique(writing: Any) -> None:  # noqa: ANN401 - any of two awaitables
    try:
        await writing
    except ConflictError as cause:
        raise ScimError(409, cause.detail, "uniqueness") from cause


