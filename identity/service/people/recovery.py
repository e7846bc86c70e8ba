"""A forgotten password: a mail to the verified address, a link good once and for an hour, and everything ends.

Known or not, a request does the same work and gets the same answer. The new password does not let anybody in by
itself: factors are asked for at the next login as always.
"""

from dataclasses import replace

from identity.domain.naming import new_email
from identity.domain.opaque import Kind, read
from identity.domain.people.mails import LinkPurpose, MailLink
from identity.domain.records import User
from identity.domain.signals.events import Change, Credential, Initiator, credential_changed
from identity.service.foundation import Foundation
from identity.service.journal import acting
from identity.service.people.endings import Endings
from identity.service.people.guarding import HOUR_US, MAX_MAILS, Guard
from identity.service.people.mailing import Mailing
from identity.service.people.new_passwords import NewPasswords, known_of
from identity.service.people.registration import WorthlessLinkError
from identity.store.database import Tables
from shared_kernel.context import RequestContext


class RecoveryDesk:
    """Mails links and takes new passwords."""

    def __init__(self, foundation: Foundation, guard: Guard, mailing: Mailing, *, new_passwords: NewPasswords,
                 endings: Endings) -> None:
        self._foundation = foundation
        self._guard = guard
        self._mailing = mailing
        self._new_passwords = new_passwords
        self._endings = endings

    async def ask(self, email: str, *, language: str, context: RequestContext) -> None:
        """Mail a link to the person of that address; raise UnprocessableError for what is none, TooOftenError."""
        address = new_email(email)
        await self._guard.from_address("recovery", context)
        async with self._foundation.database.begin() as tables:
            since_us = self._foundation.now_us() - HOUR_US
            if await tables.mails.recent(address, ("reset_password",), since_us) >= MAX_MAILS:
                return
            user = await tables.users.with_email(address)
            if user is not None and user.is_active:
                await self._mailing.queue(tables, user=user, template="reset_password")
            else:
                await self._mailing.queue_to_nobody(tables, recipient=address, template="reset_password",
                                                    language=language)
            await self._foundation.journal.seal(
                "password_mailed", context=context, outcome="success" if user else "failure",
                reason=None if user else "unknown_address",
                user=acting(user.id, user) if user else {"id": "unknown", "name": "unknown"})

    async def waiting(self, token: str) -> User:
        """Return whose password a link sets; raise WorthlessLinkError."""
        secret = read(token, Kind.LINK)
        async with self._foundation.database.read() as tables:
            link = await tables.mail_links.live(
                secret, LinkPurpose.RESET, self._foundation.now_us()) if secret else None
            user = await tables.users.get(link.user_id) if link else None
        if user is None or not user.is_active:
            raise WorthlessLinkError
        return user

    async def reset(self, token: str, password: str, *, context: RequestContext) -> User:
        """Set the password and end everything; raise WorthlessLinkError, UnfitPasswordError (the link stays good)."""
        known = known_of(await self.waiting(token))
        hashed = await self._new_passwords.hashed(password, known=known)
        secret = read(token, Kind.LINK)
        async with self._foundation.database.begin() as tables:
            link = await tables.mail_links.use(
                secret, LinkPurpose.RESET, self._foundation.now_us()) if secret else None
            user = await tables.users.find(link.user_id) if link else None
            if link is None or user is None or not user.is_active:
                raise WorthlessLinkError
            user = await self._set(tables, user, link, hashed)
            ended = await self._endings.all_of(tables, user, "password_reset", Initiator.USER)
            await self._foundation.journal.seal(
                "password_changed", context=context, user=acting(user.id, user), reason="reset",
                grid={"identity": {"sessions_ended": ended}})
        self._foundation.states.forget()
        return user

    async def _set(self, tables: Tables, user: User, link: MailLink, hashed: str) -> User:
        """Whoever follows the link reads the address: it counts as verified, unless somebody else's it is already."""
        now_us = self._foundation.now_us()
        owner = await tables.users.with_email(link.email)
        is_theirs = user.email == link.email and (owner is None or owner.id == user.id)
        user = await tables.users.update(
            replace(user, password_hash=hashed, is_email_verified=user.is_email_verified or is_theirs), now_us)
        await tables.signal_events.emit(
            credential_changed(Credential.PASSWORD, Change.UPDATE, Initiator.USER), user.id, now_us)
        await self._mailing.queue(tables, user=user, template="password_changed")
        return user
