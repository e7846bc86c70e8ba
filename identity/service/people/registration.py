"""Registering oneself: a pending account, a mail, and a link that makes it active.

The answer is the same whatever is known: the owner of a known address, or whoever asked for a taken name, reads it in
their mail. The link asks for the password again: whoever follows a link that a stranger provoked with a password of
their own does not make the stranger's account out of their address. Nobody starts with a role: an administrator gives.
"""

from dataclasses import replace

from identity.domain.naming import new_account_name, new_email
from identity.domain.opaque import Kind, read
from identity.domain.people.mails import LinkPurpose, MailLink
from identity.domain.people.profiles import new_profile
from identity.domain.records import User
from identity.service.foundation import Foundation
from identity.service.journal import acting, described
from identity.service.people.guarding import HOUR_US, MAX_MAILS, Guard
from identity.service.people.mailing import Mailing
from identity.service.people.new_passwords import NewPasswords, known_of
from identity.service.people.passwords import Passwords
from identity.store.database import Tables
from shared_kernel.context import RequestContext
from shared_kernel.errors import ConflictError, ForbiddenError, NotFoundError
from shared_kernel.ids import uuid7

KINDS = ("verify_email", "already_registered", "name_taken")


class RegistrationClosedError(NotFoundError):
    """People are created by administrators here."""

    def __init__(self) -> None:
        super().__init__("registration is closed: ask an administrator for an account")


class WorthlessLinkError(ForbiddenError):
    """The link was used, is too old, or was never ours."""

    def __init__(self) -> None:
        super().__init__("this link has expired or was used before: ask for a new one")


class WrongPasswordError(ForbiddenError):
    """The password is not this account's."""

    def __init__(self) -> None:
        super().__init__("the password is not right")


class EnrolmentDesk:
    """Takes registrations; `is_open` is the setting people_registration."""

    def __init__(self, foundation: Foundation, guard: Guard, mailing: Mailing, *,  # noqa: PLR0913 - its neighbours
                 new_passwords: NewPasswords, passwords: Passwords, is_open: bool) -> None:
        self._foundation = foundation
        self._guard = guard
        self._mailing = mailing
        self._new_passwords = new_passwords
        self._passwords = passwords
        self.is_open = is_open

    async def register(self, name: str, email: str, password: str, *, language: str,
                       context: RequestContext) -> None:
        """Take a registration; raise UnprocessableError for an unfit value, TooOftenError."""
        self._require_open()
        user = User(uuid7(), new_account_name(name), None, "pending", frozenset(), self._foundation.now_us(),
                    new_email(email), profile=new_profile({"locale": language}))
        await self._guard.from_address("register", context)
        user = replace(user, password_hash=await self._new_passwords.hashed(password, known=known_of(user)))
        async with self._foundation.database.begin() as tables:
            if await self._is_reached(tables, user.email or ""):
                return
            reason = await self._add(tables, user, language)
            await self._foundation.journal.seal(
                "account_registered", context=context, user=described(user), reason=reason,
                outcome="failure" if reason else "success")

    async def resend(self, email: str, *, context: RequestContext) -> None:
        """Mail the link again to whoever waits for it; raise TooOftenError."""
        self._require_open()
        address = new_email(email)
        await self._guard.from_address("resend", context)
        async with self._foundation.database.begin() as tables:
            user = await tables.users.pending_with(address)
            if user is not None and not await self._is_reached(tables, address):
                await self._mailing.queue(tables, user=user, template="verify_email", recipient=address)

    async def waiting(self, token: str) -> User:
        """Return whose address a link verifies; raise WorthlessLinkError."""
        secret = read(token, Kind.LINK)
        async with self._foundation.database.read() as tables:
            link = await tables.mail_links.live(
                secret, LinkPurpose.VERIFY, self._foundation.now_us()) if secret else None
            user = await tables.users.get(link.user_id) if link else None
        if user is None or user.status != "pending":
            raise WorthlessLinkError
        return user

    async def verify(self, token: str, password: str, *, context: RequestContext) -> User:
        """Make the account active; raise WorthlessLinkError, WrongPasswordError, TooOftenError."""
        waiting = await self.waiting(token)
        await self._guard.guess("verify", waiting.id)
        if not await self._passwords.verify(waiting.password_hash, password):
            raise WrongPasswordError
        secret = read(token, Kind.LINK)
        async with self._foundation.database.begin() as tables:
            link = await tables.mail_links.use(
                secret, LinkPurpose.VERIFY, self._foundation.now_us()) if secret else None
            if link is None:
                raise WorthlessLinkError
            user = await self._activate(tables, link)
            await self._foundation.journal.seal("email_verified", context=context, user=acting(user.id, user))
        return user

    def _require_open(self) -> None:
        if not self.is_open:
            raise RegistrationClosedError

    async def _is_reached(self, tables: Tables, address: str) -> bool:
        since_us = self._foundation.now_us() - HOUR_US
        return await tables.mails.recent(address, KINDS, since_us) >= MAX_MAILS

    async def _add(self, tables: Tables, user: User, language: str) -> str | None:
        """Add the pending account and its mail; answer why not, after telling the address."""
        owner = await tables.users.with_email(user.email or "")
        if owner is not None:
            await self._mailing.queue(tables, user=owner, template="already_registered")
            return "address_known"
        try:
            await tables.users.add(user)
        except ConflictError:
            await self._mailing.queue_to_stranger(
                tables, recipient=user.email or "", template="name_taken", name=user.name, language=language)
            return "name_taken"
        await self._mailing.queue(tables, user=user, template="verify_email", recipient=user.email)
        return None

    async def _activate(self, tables: Tables, link: MailLink) -> User:
        """Raise WorthlessLinkError when somebody else verified the address meanwhile: the first one owns it."""
        user = await tables.users.find(link.user_id)
        if user is None or user.status != "pending":
            raise WorthlessLinkError
        try:
            return await tables.users.update(
                replace(user, status="active", email=link.email, is_email_verified=True), self._foundation.now_us())
        except ConflictError as cause:
            raise WorthlessLinkError from cause
