"""A real SMTP server (aiosmtpd) on loopback, with TLS, with accounts, and with bad manners on demand."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME, SECRET = "gridwarden", "mail+secret/with:signs"


class Keeper:
    """Keeps what arrives; `answer` replaces the answer to a mail, `hold_s` delays it, `drops` hangs up instead."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.answer: str | None = None
        self.recipient_answer: str | None = None
        self.hold_s = 0.0
        self.drops = False

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str,  # noqa: N802 - aiosmtpd's name
                          ___: list[str]) -> str:
        """Answer RCPT."""
        if self.recipient_answer:
            return self.recipient_answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a mail."""
        if self.drops:
            self.drops = False
            server.transport.abort()  # type: ignore[union-attr]
            return "250 never heard"
        await asyncio.sleep(self.hold_s)
        if self.answer:
            return self.answer
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = message_from_bytes(content, policy=default)
        message["X-Recipients"] = ", ".join(envelope.rcpt_tos)
        self.messages.append(message)
        return "250 OK"


def _authenticate(_: SMTP, __: Session, ___: Envelope, ____: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (NAME.encode(), SECRET.encode())
    return AuthResult(success=right)


@asynccontextmanager
async def serving(keeper: Keeper, *, tls: ssl.SSLContext | None = None, is_implicit: bool = False,
                  options: Mapping[str, Any] | None = None) -> AsyncIterator[int]:
    """Serve mail on a free port of loopback; with `tls` by STARTTLS, or from the first byte."""
    made: Callable[[], SMTP] = lambda: SMTP(  # noqa: E731 - a factory
        keeper, hostname="mail.grid.test", tls_context=None if is_implicit else tls, **(options or {}))
    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0, ssl=tls if is_implicit else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


WITH_ACCOUNTS: Mapping[str, Any] = {"authenticator": _authenticate, "auth_required": True,
                                       "auth_require_tls": True, "require_starttls": False}


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a server's TLS and the file of its authority, which is itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.grid.test")])
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256()))
    pem, key_pem = folder / "mail.pem", folder / "mail.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, key_pem)
    return context, pem
