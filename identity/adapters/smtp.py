"""Mail over SMTP (RFC 5321), in a thread: TLS always, except to this very machine.

`smtps://` speaks TLS from the first byte (RFC 8314), `smtp://` must reach STARTTLS (RFC 3207) before anything is said,
unless the server is on loopback. Name and password stand in the URL, percent-encoded. One mail, one connection: what
is mailed here is rare.
"""

import asyncio
import contextlib
import ipaddress
import smtplib
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote, urlsplit

from identity.adapters.letters import Letters
from identity.domain.people.mails import Mail, MailRefusedError
from shared_kernel.errors import UnavailableError, UnprocessableError

STEP_TIMEOUT_S = 15.0
DEADLINE_S = 60.0
_PORTS = {"smtp": 587, "smtps": 465}
_PERMANENT = 500


class SmtpUrlError(UnprocessableError):
    """The setting names no mail server."""

    def __init__(self) -> None:
        super().__init__("smtp_url must be smtp://host:port or smtps://host:port, with name:password@ where needed")


class MailServerDownError(UnavailableError):
    """The server does not take the mail now."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the mail server does not take it: {why}")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail goes."""

    host: str
    port: int
    is_tls: bool
    name: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def from_url(cls, url: str) -> "SmtpServer":
        """Read the setting; raise SmtpUrlError."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as cause:
            raise SmtpUrlError from cause
        if parts.scheme not in _PORTS or not parts.hostname or parts.path not in {"", "/"} or parts.query:
            raise SmtpUrlError
        return cls(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "smtps",
                   unquote(parts.username) if parts.username else None,
                   unquote(parts.password) if parts.password else None)

    @property
    def is_loopback(self) -> bool:
        """Whether what is said stays on this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class Smtp:
    """Delivers mails, one at a time. `sender` is the From address, `ca` a PEM file for a server of one's own."""

    def __init__(self, server: SmtpServer, *, sender: str, ca: Path | None = None,
                 deadline_s: float = DEADLINE_S) -> None:
        self._server = server
        self._letters = Letters(sender)
        self._tls = ssl.create_default_context(cafile=ca)
        self._deadline_s = deadline_s
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="smtp")

    def close(self) -> None:
        """Stop the worker."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def send(self, mail: Mail) -> None:
        """Deliver; raise MailRefusedError when the server never takes it, MailServerDownError when not now."""
        call = _Call(self._server, self._tls, self._letters.sender)
        message = self._letters.written(mail)
        delivery = asyncio.get_running_loop().run_in_executor(self._worker, call.deliver, message, mail.recipient)
        try:
            async with asyncio.timeout(self._deadline_s):
                await asyncio.shield(delivery)
        except TimeoutError as cause:
            raise MailServerDownError("it is too slow") from cause
        finally:
            call.hang_up()
            with contextlib.suppress(MailRefusedError, MailServerDownError):
                await delivery


class _Call:
    """One connection, which somebody else can hang up."""

    def __init__(self, server: SmtpServer, tls: ssl.SSLContext, sender: str) -> None:
        self._server = server
        self._tls = tls
        self._sender = sender
        self._client: smtplib.SMTP | None = None

    def deliver(self, message: EmailMessage, recipient: str) -> None:
        """Say everything; raise MailRefusedError or MailServerDownError."""
        try:
            with self._connected() as self._client:
                self._authenticate(self._client)
                self._client.send_message(message, self._sender, [recipient])
        except smtplib.SMTPRecipientsRefused as cause:
            code = next(iter(cause.recipients.values()))[0]
            raise self._answered(code, "refuses the recipient") from cause
        except smtplib.SMTPDataError as cause:
            raise self._answered(cause.smtp_code, "refuses the message") from cause
        except smtplib.SMTPResponseException as cause:
            raise MailServerDownError(f"it answered {cause.smtp_code}") from cause
        except (smtplib.SMTPException, OSError, ValueError) as cause:
            raise MailServerDownError(type(cause).__name__) from cause

    def hang_up(self) -> None:
        """Free a thread that waits for the server."""
        connection = self._client.sock if self._client else None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _connected(self) -> smtplib.SMTP:
        host, port, me = self._server.host, self._server.port, self._sender.partition("@")[2]
        if self._server.is_tls:
            return smtplib.SMTP_SSL(host, port, me, timeout=STEP_TIMEOUT_S, context=self._tls)
        return smtplib.SMTP(host, port, me, timeout=STEP_TIMEOUT_S)

    def _authenticate(self, client: smtplib.SMTP) -> None:
        client.ehlo()
        if not self._server.is_tls and (client.has_extn("starttls") or not self._server.is_loopback):
            client.starttls(context=self._tls)
            client.ehlo()
        if self._server.name is not None:
            client.login(self._server.name, self._server.password or "")

    @staticmethod
    def _answered(code: int, what: str) -> Exception:
        return MailRefusedError(f"the server {what} ({code})") if code >= _PERMANENT else MailServerDownError(
            f"it answered {code}")
