"""People: created, changed, given roles, locked, deleted. A change is sealed before it commits, effective at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from identity.domain.naming import account_name, new_account_name, new_email, new_roles
from identity.domain.people.factors import Factors
from identity.domain.people.profiles import new_profile
from identity.domain.records import User
from identity.domain.signals.events import Initiator, roles_changed
from identity.service.foundation import Foundation
from identity.service.journal import acting
from identity.service.people.endings import Endings
from identity.service.people.mailing import Mailing
from identity.service.people.new_passwords import NewPasswords, known_of
from identity.service.people.roles import require_known
from identity.store.account_views import LiveSession, SessionView
from identity.store.database import Tables
from shared_kernel.context import RequestContext
from shared_kernel.errors import ConflictError, NotFoundError
from shared_kernel.ids import secret, uuid7
from shared_kernel.principal import Principal, Role

Actor = str | Principal
_MAX_REFERENCE = 64
ABANDONED_US = 2 * 86_400 * 1_000_000


class UnknownUserError(NotFoundError):
    """Nobody has this id or name."""

    def __init__(self) -> None:
        super().__init__("there is no such account: name it by its id or its exact name")


class UnknownSessionError(NotFoundError):
    """The person has no such live session."""

    def __init__(self) -> None:
        super().__init__("this person has no such session, or it has ended")


class LastAdministratorError(ConflictError):
    """Nobody could administer, or unlock, anything afterwards."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is the last active administrator: make somebody else an administrator first")


class NoAddressError(ConflictError):
    """There is nowhere to send a mail."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has no e-mail address: set one first")


@dataclass(frozen=True, slots=True)
class NewPerson:
    """What an administrator or another system knows of a person beyond name, password and roles."""

    email: str | None = None
    is_email_verified: bool = False
    profile: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PersonView:
    """What an administrator sees beside the record."""

    sessions: Sequence[SessionView]
    factors: Factors


class Accounts:
    """Keeps people."""

    def __init__(self, foundation: Foundation, passwords: NewPasswords, endings: Endings, mailing: Mailing) -> None:
        self._foundation = foundation
        self._passwords = passwords
        self._endings = endings
        self._mailing = mailing

    async def ensure_admin(self) -> str | None:
        """Create the account `admin` when there is none; answer its random password, this once."""
        async with self._foundation.database.read() as tables:
            if await tables.users.named("admin") is not None:
                return None
        password = secret()
        await self.create("admin", password, roles=frozenset({str(Role.ADMIN)}), by="gridwarden")
        return password

    async def create(self, name: str, password: str | None, *, roles: frozenset[str],  # noqa: PLR0913 - a person's parts
                     by: Actor, context: RequestContext | None = None, person: NewPerson | None = None) -> User:
        """Create a person; raise UnprocessableError for an unfit value, ConflictError for a name already taken.

        Without a password nobody can log in until `mail_password` sent a link to set one.
        """
        known, now_us = person or NewPerson(), self._foundation.now_us()
        user = User(uuid7(), new_account_name(name), None, "active", new_roles(roles), now_us,
                    new_email(known.email) if known.email else None, known.is_email_verified,
                    new_profile(known.profile), None, now_us)
        if password is not None:
            user = replace(user, password_hash=await self._passwords.hashed(password, known=known_of(user)))
        async with self._foundation.database.begin() as tables:
            await require_known(tables, roles)
            await tables.users.add(user)
            await self._foundation.journal.seal("user_created", context=context, user=acting(by, user))
        return user

    async def change(self, who: str, person: NewPerson, *, by: Actor, context: RequestContext | None = None) -> User:
        """Replace address and profile; links that were mailed to an old address are worth nothing any more."""
        async with self._foundation.database.begin() as tables:
            user = await found(tables, who)
            changed = replace(user, email=new_email(person.email) if person.email else None,
                              is_email_verified=person.is_email_verified and person.email is not None,
                              profile=new_profile(person.profile))
            if changed.email != user.email:
                await tables.mail_links.void_all(user.id, self._foundation.now_us())
            changed = await tables.users.update(changed, self._foundation.now_us())
            await self._foundation.journal.seal(
                "user_updated", context=context, user=acting(by, changed),
                grid={"identity": {"fields": changed_fields(user, changed)}})
        return changed

    async def delete(self, who: str, *, by: Actor, context: RequestContext | None = None) -> None:
        """Forget a person: sessions, grants, factors, devices and mails go with them; the ledger remembers.

        Raises LastAdministratorError.
        """
        async with self._foundation.database.begin() as tables:
            user = await found(tables, who)
            await keep_an_administrator(tables, user)
            await self._endings.all_of(tables, user, "user_deleted", initiator_of(by))
            await self._foundation.journal.seal("user_deleted", context=context, user=acting(by, user))
            await tables.users.delete(user.id)
        self._foundation.states.forget()

    async def lock(self, who: str, *, reason: str, by: Actor, context: RequestContext | None = None) -> User:
        """Lock a person out: sessions end, grants die, tokens fail at the next request.

        Raises LastAdministratorError: nobody could unlock anybody any more.
        """
        async with self._foundation.database.begin() as tables:
            user = await found(tables, who)
            await keep_an_administrator(tables, user)
            await tables.users.set_status(user.id, "locked", reason)
            ended = await self._endings.all_of(tables, user, "account_locked", initiator_of(by))
            await self._mailing.queue(tables, user=user, template="account_locked")
            await self._foundation.journal.seal(
                "account_locked", context=context, user=acting(by, user), reason=reason,
                grid={"identity": {"sessions_ended": ended}})
        self._foundation.states.forget()
        return user

    async def unlock(self, who: str, *, by: Actor, context: RequestContext | None = None) -> User:
        """Let a person log in again; what the lock ended stays ended."""
        async with self._foundation.database.begin() as tables:
            user = await found(tables, who)
            await tables.users.set_status(user.id, "active", None)
            await self._foundation.journal.seal("account_unlocked", context=context, user=acting(by, user))
        return user

    async def revoke_sessions(self, who: str, *, by: Actor, context: RequestContext | None = None) -> int:
        """End every session of a person with all grants; answer how many sessions."""
        async with self._foundation.database.begin() as tables:
            user = await found(tables, who)
            ended = await self._endings.all_of(tables, user, "sessions_revoked", initiator_of(by))
            await self._foundation.journal.seal(
                "sessions_revoked", context=context, user=acting(by, user),
                grid={"identity": {"sessions_ended": ended}})
        self._foundation.states.forget()
        return ended

    async def end_session(self, who: str, session_id: str, *, by: Actor, context: RequestContext | None = None) -> None:
        """End one session of a person with its grants; raise UnknownSessionError."""
        async with self._foundation.database.begin() as tables:
            user = await found(tables, who)
            if not await self._endings.one(tables, user.id, session_id, "session_revoked", initiator_of(by)):
                raise UnknownSessionError
            await self._foundation.journal.seal("session_revoked", context=context, user=acting(by, user),
                                                grid={"identity": {"sid": session_id}})
        self._foundation.states.forget()

    async def set_roles(self, who: str, roles: frozenset[str], *, by: Actor,
                        context: RequestContext | None = None) -> User:
        """Replace a person's roles: one event for what was granted, one for what was taken."""
        new_roles(roles)
        async with self._foundation.database.begin() as tables:
            user = await found(tables, who)
            await require_known(tables, roles - user.roles)
            if Role.ADMIN not in roles:
                await keep_an_administrator(tables, user)
            changed = await tables.users.update(replace(user, roles=roles), self._foundation.now_us())
            for action, moved in (("role_granted", roles - user.roles), ("role_revoked", user.roles - roles)):
                if moved:
                    await self._foundation.journal.seal(
                        action, context=context, user=acting(by, user, roles=sorted(roles)),
                        grid={"identity": {"roles": sorted(moved)}})
            if roles != user.roles:
                await tables.signal_events.emit(
                    roles_changed(roles, initiator_of(by)), user.id, self._foundation.now_us())
        self._foundation.states.forget()
        return changed

    async def mail_password(self, who: str, *, by: Actor, context: RequestContext | None = None) -> User:
        """Mail a link to set a password, good for a day; raise NoAddressError."""
        async with self._foundation.database.begin() as tables:
            user = await found(tables, who)
            if user.email is None:
                raise NoAddressError(user.name)
            await self._mailing.queue(tables, user=user, template="set_password", recipient=user.email)
            await self._foundation.journal.seal("password_mailed", context=context, user=acting(by, user))
        return user

    async def reset_factors(self, who: str, *, by: Actor, context: RequestContext | None = None) -> int:
        """Take away every second factor of somebody who lost them, and end their sessions; answer how many went."""
        async with self._foundation.database.begin() as tables:
            user = await found(tables, who)
            gone = await tables.account_views.drop_factors(user.id)
            await self._endings.all_of(tables, user, "factors_reset", initiator_of(by))
            await self._mailing.queue(tables, user=user, template="factor_removed")
            await self._foundation.journal.seal("factor_removed", context=context, user=acting(by, user),
                                                reason="reset", grid={"identity": {"factors": gone}})
        self._foundation.states.forget()
        return gone

    async def forget_abandoned(self) -> int:
        """Forget accounts whose address nobody verified within two days: their names are free again."""
        async with self._foundation.database.begin() as tables:
            gone = await tables.users.delete_abandoned(self._foundation.now_us() - ABANDONED_US)
            if gone:
                await self._foundation.journal.seal(
                    "user_deleted", user=acting("gridwarden"), reason="never_verified",
                    grid={"identity": {"accounts": gone}})
        return gone

    async def get(self, user_id: str) -> User:
        """Return a person; raise UnknownUserError."""
        async with self._foundation.database.read() as tables:
            user = await tables.users.get(_reference(user_id))
        if user is None:
            raise UnknownUserError
        return user

    async def known(self, who: str) -> User | None:
        """Return a person by id or, if there is none of that id, by name; None when there is nobody."""
        try:
            reference = _reference(who)
        except UnknownUserError:
            return None
        async with self._foundation.database.read() as tables:
            return await tables.users.get(reference) or await tables.users.named(reference)

    async def view(self, user: User) -> PersonView:
        """Return a person's live sessions and factors."""
        async with self._foundation.database.read() as tables:
            return PersonView(await tables.account_views.sessions_of(user.id, self._foundation.now_us()),
                              await tables.factors.of(user.id))

    async def live_sessions(self, containing: str, before: tuple[int, str], limit: int) -> list[LiveSession]:
        """Return live sessions of everybody whose name contains a text, the newest login first, from a place on."""
        async with self._foundation.database.read() as tables:
            return await tables.account_views.live_sessions(
                account_name(containing), before, limit, self._foundation.now_us())

    async def end_any_session(self, session_id: str, *, by: Actor, context: RequestContext | None = None) -> None:
        """End a session, whosever it is; raise UnknownSessionError."""
        async with self._foundation.database.read() as tables:
            owner = await tables.account_views.owner_of(session_id, self._foundation.now_us())
        if owner is None:
            raise UnknownSessionError
        await self.end_session(owner, session_id, by=by, context=context)

    async def listed(self, after: str, limit: int, containing: str = "") -> list[User]:
        """Return people by name, those whose name or address contains a text."""
        async with self._foundation.database.read() as tables:
            return await tables.users.listed(_reference(after), limit, account_name(containing))


def initiator_of(by: Actor) -> Initiator:
    """Return who set something off, as signals say it."""
    return Initiator.ADMIN if isinstance(by, Principal) else Initiator.SYSTEM


def changed_fields(before: User, after: User) -> list[str]:
    """Return the names of what became different, never the values."""
    own = [name for name in ("name", "email", "is_email_verified", "external_id")
           if getattr(before, name) != getattr(after, name)]
    claims = sorted({*before.profile, *after.profile})
    return own + [claim for claim in claims if before.profile.get(claim) != after.profile.get(claim)]


async def found(tables: Tables, who: str) -> User:
    """Return a person by id or name, held until the transaction ends; raise UnknownUserError."""
    user = await tables.users.find(_reference(who))
    if user is None:
        raise UnknownUserError
    return user


async def keep_an_administrator(tables: Tables, user: User) -> None:
    """Return while somebody else can administer; raise LastAdministratorError."""
    if await tables.users.active_with_role(Role.ADMIN) == {user.id}:
        raise LastAdministratorError(user.name)


def _reference(text: str) -> str:
    """Return an id or name as stored; a text that can be neither never reaches the database."""
    name = account_name(text)
    if len(name) > _MAX_REFERENCE or not name.isprintable():
        raise UnknownUserError
    return name
