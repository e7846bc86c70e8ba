"""The mail room: mails are queued with what they tell of, and sent in the background until a server takes them.

At least once: a sender that dies after the server took a mail sends it again, under the same Message-ID.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import structlog
from prometheus_client import Counter

from identity.domain.languages import of_locale
from identity.domain.opaque import Kind, mint
from identity.domain.people.mails import RETRIES_US, TEMPLATES, Mail, MailLink, MailRefusedError
from identity.domain.records import User
from identity.store.database import Database, Tables
from shared_kernel.clock import Clock
from shared_kernel.errors import UnavailableError
from shared_kernel.ids import uuid7

SECOND_US = 1_000_000
LEASE_US = 120 * SECOND_US
BATCH = 8
IDLE_S = 2.0
NOBODY = "nobody has this address"

_MAILS = Counter("gridwarden_identity_mails_total", "Mails by outcome", ["outcome"])
_log = structlog.get_logger()


class MailSender(Protocol):
    """A mail server. `send` returns when the server took the mail."""

    async def send(self, mail: Mail) -> None:
        """Deliver; raise MailRefusedError for ever, UnavailableError for now."""


@dataclass(frozen=True, slots=True)
class MailStanding:
    """How the outbox stands."""

    is_configured: bool
    waiting: int
    given_up: int
    last_error: str | None


class Mailing:
    """Queues and sends mails."""

    def __init__(self, database: Database, clock: Clock, *, sender: MailSender | None, issuer: str) -> None:
        self._database = database
        self._clock = clock
        self._sender = sender
        self._issuer = issuer
        self._wake = asyncio.Event()

    async def queue(self, tables: Tables, *, user: User, template: str,  # noqa: PLR0913 - a mail's parts
                    fields: Mapping[str, Any] | None = None, recipient: str | None = None,
                    language: str | None = None) -> bool:
        """Queue a mail inside the caller's transaction, to the verified address unless a `recipient` is named.

        False when there is nowhere to send it. The person's name and our issuer are among the fields.
        """
        address = recipient or (user.email if user.is_email_verified else None)
        if address is None:
            return False
        if template not in TEMPLATES:
            raise KeyError(template)
        await tables.mails.add(Mail(
            uuid7(), user.id, address, template, language or of_locale(user.profile.get("locale")),
            {**(fields or {}), "name": user.name}, self._clock.now_us()))
        self._wake.set()
        return True

    async def queue_to_stranger(self, tables: Tables, *, recipient: str, template: str, name: str,
                                language: str) -> None:
        """Queue a mail to an address that belongs to no account; `template` carries no link."""
        await tables.mails.add(Mail(uuid7(), None, recipient, template, language, {"name": name},
                                    self._clock.now_us()))
        self._wake.set()

    async def queue_to_nobody(self, tables: Tables, *, recipient: str, template: str, language: str) -> None:
        """Do the work of queueing a mail that will not be sent: to be known or not takes the same time."""
        await self.queue_to_stranger(tables, recipient=recipient, template=template, name="", language=language)

    async def run(self) -> None:
        """Send what is due, for ever; a failure of the database or the server delays and loses nothing."""
        while True:
            self._wake.clear()
            try:
                sent = await self.send_due()
            except UnavailableError:
                sent = 0
            if not sent:
                await self._rest()

    async def send_due(self) -> int:
        """Try every mail that is due once, a batch of them; answer how many were tried."""
        if self._sender is None:
            return 0
        now_us = self._clock.now_us()
        async with self._database.begin() as tables:
            mails = await tables.mails.claim(now_us, now_us + LEASE_US, BATCH)
        for mail in mails:
            await self._try(mail, self._sender)
        return len(mails)

    async def standing(self) -> MailStanding:
        """Return how the outbox stands."""
        async with self._database.read() as tables:
            return MailStanding(self._sender is not None, *await tables.mails.standing())

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(IDLE_S):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _try(self, mail: Mail, sender: MailSender) -> None:
        if mail.user_id is None and TEMPLATES[mail.template].link is not None:
            await self._give_up(mail, NOBODY)
            return
        if self._clock.now_us() - mail.created_at_us > TEMPLATES[mail.template].stale_after_s * SECOND_US:
            await self._give_up(mail, "it waited too long to be of use")
            return
        try:
            await sender.send(await self._with_link(mail))
        except MailRefusedError as error:
            await self._give_up(mail, str(error))
        except UnavailableError as error:
            await self._postpone(mail, error.detail)
        except Exception as error:  # noqa: BLE001 - a mail that cannot be written must not hold up the others
            _log.warning("mail_failed", mail=mail.id, template=mail.template, error=type(error).__name__)
            await self._postpone(mail, type(error).__name__)
        else:
            _MAILS.labels("sent").inc()
            async with self._database.begin() as tables:
                await tables.mails.sent(mail.id, self._clock.now_us())

    async def _with_link(self, mail: Mail) -> Mail:
        """Return the mail with its link, whose hash is stored before anybody can follow it."""
        template = TEMPLATES[mail.template]
        fields = {**mail.fields, "issuer": self._issuer}
        if template.link is None or mail.user_id is None:
            return replace(mail, fields=fields)
        secret = mint(Kind.LINK)
        expires_at_us = self._clock.now_us() + template.link_lifetime_s * SECOND_US
        async with self._database.begin() as tables:
            await tables.mail_links.add(secret, MailLink(
                secret.id, mail.user_id, template.link, mail.recipient, expires_at_us))
        return replace(mail, fields=fields | {"link": f"{self._issuer}/{template.link}?token={secret.text}"})

    async def _postpone(self, mail: Mail, error: str) -> None:
        if mail.tries > len(RETRIES_US):
            await self._give_up(mail, error)
            return
        _MAILS.labels("postponed").inc()
        async with self._database.begin() as tables:
            await tables.mails.failed(mail.id, error, self._clock.now_us() + RETRIES_US[mail.tries - 1])

    async def _give_up(self, mail: Mail, error: str) -> None:
        _MAILS.labels("given_up").inc()
        if error != NOBODY:
            _log.warning("mail_given_up", mail=mail.id, template=mail.template, error=error)
        async with self._database.begin() as tables:
            await tables.mails.given_up(mail.id, error, self._clock.now_us())
