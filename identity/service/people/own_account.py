"""What people do with their own account, from a live session: every change is sealed, and mailed where it matters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from identity.domain.naming import new_email
from identity.domain.opaque import Kind, read
from identity.domain.people.factors import Device, Factors
from identity.domain.people.mails import LinkPurpose
from identity.domain.people.profiles import new_profile
from identity.domain.records import Session, User
from identity.domain.signals.events import Change, Credential, Initiator, credential_changed
from identity.service.foundation import Foundation
from identity.service.journal import acting
from identity.service.people.accounts import UnknownUserError, changed_fields, found
from identity.service.people.endings import Endings
from identity.service.people.guarding import HOUR_US, MAX_MAILS, Guard
from identity.service.people.mailing import Mailing
from identity.service.people.new_passwords import NewPasswords, known_of
from identity.service.people.passwords import Passwords
from identity.service.people.registration import WorthlessLinkError, WrongPasswordError
from identity.store.account_views import ApplicationView, SessionView
from identity.store.database import Tables
from shared_kernel.context import RequestContext
from shared_kernel.errors import ConflictError, NotFoundError

KEPT_CLAIMS = frozenset({"phone_number_verified"})
"""Claims that a person has but does not give: they fall when what they speak of changes."""


class NotTheirsError(NotFoundError):
    """The person has no such session, device or application."""

    def __init__(self) -> None:
        super().__init__("this is gone already")


@dataclass(frozen=True, slots=True)
class AccountView:
    """Everything the account page shows."""

    user: User
    sessions: Sequence[SessionView]
    devices: Sequence[Device]
    applications: Sequence[ApplicationView]
    factors: Factors


class OwnAccountDesk:
    """Serves a person who is logged in."""

    def __init__(self, foundation: Foundation, guard: Guard, mailing: Mailing, *,  # noqa: PLR0913 - its neighbours
                 new_passwords: NewPasswords, passwords: Passwords, endings: Endings) -> None:
        self._foundation = foundation
        self._guard = guard
        self._mailing = mailing
        self._new_passwords = new_passwords
        self._passwords = passwords
        self._endings = endings

    async def view(self, session: Session) -> AccountView:
        """Return everything about the session's person."""
        now_us = self._foundation.now_us()
        async with self._foundation.database.read() as tables:
            user = await tables.users.get(session.user_id)
            if user is None:
                raise UnknownUserError
            return AccountView(
                user, await tables.account_views.sessions_of(user.id, now_us), await tables.devices.of(user.id),
                await tables.account_views.applications_of(user.id, now_us), await tables.factors.of(user.id))

    async def edit_profile(self, session: Session, claims: Mapping[str, Any], context: RequestContext) -> None:
        """Replace the claims a person gives; raise UnfitClaimError. A new phone number is not verified."""
        async with self._foundation.database.begin() as tables:
            user = await found(tables, session.user_id)
            kept = {name: value for name, value in user.profile.items() if name in KEPT_CLAIMS
                    and claims.get("phone_number") == user.profile.get("phone_number")}
            changed = await tables.users.update(
                replace(user, profile=new_profile({**claims, **kept})), self._foundation.now_us())
            if fields := changed_fields(user, changed):
                await self._foundation.journal.seal(
                    "user_updated", context=context, user=acting(user.id, changed),
                    grid={"identity": {"fields": fields}})

    async def change_password(self, session: Session, old: str, new: str, context: RequestContext) -> None:
        """Replace the password and end every other session; raise WrongPasswordError, UnfitPasswordError."""
        user = await self._proven(session, old)
        hashed = await self._new_passwords.hashed(new, known=known_of(user))
        async with self._foundation.database.begin() as tables:
            now_us, user = self._foundation.now_us(), await found(tables, user.id)
            await tables.users.update(replace(user, password_hash=hashed), now_us)
            await tables.mail_links.void(user.id, LinkPurpose.RESET, now_us)
            ended = await self._endings.others(tables, session, "password_changed")
            await tables.signal_events.emit(
                credential_changed(Credential.PASSWORD, Change.UPDATE, Initiator.USER), user.id, now_us)
            await self._mailing.queue(tables, user=user, template="password_changed")
            await self._foundation.journal.seal(
                "password_changed", context=context, user=acting(user.id, user),
                grid={"identity": {"sessions_ended": ended}})
        self._foundation.states.forget()

    async def ask_for_email(self, session: Session, email: str, password: str, context: RequestContext) -> None:
        """Mail a link to a new address, which counts from its use on; raise WrongPasswordError, TooOftenError.

        The answer is the same when the address is somebody's already: its owner is told by mail.
        """
        address, user = new_email(email), await self._proven(session, password)
        await self._guard.from_address("email", context)
        async with self._foundation.database.begin() as tables:
            since_us = self._foundation.now_us() - HOUR_US
            if await tables.mails.recent(address, ("confirm_email", "already_registered"), since_us) >= MAX_MAILS:
                return
            owner = await tables.users.with_email(address)
            if owner is not None and owner.id != user.id:
                await self._mailing.queue(tables, user=owner, template="already_registered")
            else:
                await self._mailing.queue(tables, user=user, template="confirm_email", recipient=address)

    async def waiting_email(self, token: str) -> tuple[User, str]:
        """Return whose address a link confirms, and the address; raise WorthlessLinkError."""
        secret = read(token, Kind.LINK)
        async with self._foundation.database.read() as tables:
            link = await tables.mail_links.live(
                secret, LinkPurpose.CONFIRM, self._foundation.now_us()) if secret else None
            user = await tables.users.get(link.user_id) if link else None
        if link is None or user is None or not user.is_active:
            raise WorthlessLinkError
        return user, link.email

    async def confirm_email(self, token: str, context: RequestContext) -> User:
        """Let the new address count, and tell the old one; raise WorthlessLinkError."""
        secret, now_us = read(token, Kind.LINK), self._foundation.now_us()
        async with self._foundation.database.begin() as tables:
            link = await tables.mail_links.use(secret, LinkPurpose.CONFIRM, now_us) if secret else None
            user = await tables.users.find(link.user_id) if link else None
            if link is None or user is None or not user.is_active:
                raise WorthlessLinkError
            changed = await self._readdressed(tables, user, link.email)
            await self._mailing.queue(tables, user=user, template="email_changed", fields={"email": link.email})
            await tables.mail_links.void_all(user.id, now_us)
            await tables.signal_events.emit(
                credential_changed(Credential.EMAIL, Change.UPDATE, Initiator.USER), user.id, now_us)
            await self._foundation.journal.seal("email_verified", context=context, user=acting(user.id, changed))
        return changed

    async def end_session(self, session: Session, session_id: str, context: RequestContext) -> None:
        """End one of the person's sessions with its grants; raise NotTheirsError."""
        async with self._foundation.database.begin() as tables:
            if not await self._endings.one(
                    tables, session.user_id, session_id, "session_revoked", Initiator.USER):
                raise NotTheirsError
            await self._seal(session, "session_revoked", context, sid=session_id)
        self._foundation.states.forget()

    async def end_other_sessions(self, session: Session, context: RequestContext) -> int:
        """End every session but this one; answer how many."""
        async with self._foundation.database.begin() as tables:
            ended = await self._endings.others(tables, session, "sessions_revoked")
            await self._seal(session, "sessions_revoked", context, sessions_ended=ended)
        self._foundation.states.forget()
        return ended

    async def forget_device(self, session: Session, device_id: str, context: RequestContext) -> None:
        """Let a browser be a stranger again; raise NotTheirsError."""
        async with self._foundation.database.begin() as tables:
            if not await tables.devices.forget(device_id, session.user_id):
                raise NotTheirsError
            await self._seal(session, "device_forgotten", context, device=device_id)

    async def take_back(self, session: Session, client_id: str, context: RequestContext) -> None:
        """Take from an application what it was allowed, and kill its grants; raise NotTheirsError."""
        async with self._foundation.database.begin() as tables:
            if not await tables.account_views.take_back(
                    session.user_id, client_id, "consent_revoked", self._foundation.now_us()):
                raise NotTheirsError
            await self._seal(session, "consent_revoked", context, client_id=client_id)
        self._foundation.states.forget()

    async def _proven(self, session: Session, password: str) -> User:
        """Return the person, whose password this is; raise WrongPasswordError, TooOftenError."""
        await self._guard.guess("password", session.user_id)
        async with self._foundation.database.read() as tables:
            user = await tables.users.get(session.user_id)
        if user is None or not await self._passwords.verify(user.password_hash, password):
            raise WrongPasswordError
        return user

    async def _readdressed(self, tables: Tables, user: User, email: str) -> User:
        try:
            return await tables.users.update(
                replace(user, email=email, is_email_verified=True), self._foundation.now_us())
        except ConflictError as cause:
            raise WorthlessLinkError from cause

    async def _seal(self, session: Session, action: str, context: RequestContext, **facts: str | int) -> None:
        await self._foundation.journal.seal(
            action, context=context, user={"id": session.user_id, "name": session.user_name},
            grid={"identity": facts})
