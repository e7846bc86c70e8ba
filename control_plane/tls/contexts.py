"""The product's own TLS: version and ciphers of RFC 9325, and key pairs that are renewed while it runs."""

import asyncio
import ssl
from pathlib import Path

import structlog

from control_plane.tls.any_certificate import AnyCertificateContext
from shared_kernel.errors import GridwardenError

CIPHERS = "ECDHE+AESGCM"
"""Of TLS 1.2 only what RFC 9325 section 4.2 recommends, which ChaCha20 is not; FAPI 2.0 5.2.2 asks for it."""
LOOK_EVERY_S = 30.0
_log = structlog.get_logger()


class UnusableKeyPairError(GridwardenError):
    """TLS_CERT and TLS_KEY do not make a server."""

    def __init__(self, certificate: Path, why: str) -> None:
        super().__init__(f"TLS cannot start with {certificate} ({why}): check TLS_CERT and TLS_KEY, both PEM files")


class KeyPair:
    """A certificate chain and its key on disk, loaded into every context made from it."""

    def __init__(self, certificate: Path, key: Path | None) -> None:
        self.certificate, self._key = certificate, key or certificate
        self._contexts: list[ssl.SSLContext] = []
        self._seen = self._stamp()

    def plain(self) -> ssl.SSLContext:
        """Return a context that asks clients for nothing."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        context.options |= ssl.OP_NO_RENEGOTIATION
        return self._loaded(context)

    def asking(self, *, requires_certificate: bool) -> ssl.SSLContext:
        """Return a context that asks clients for a certificate, and may insist."""
        context = AnyCertificateContext.for_server(requires_certificate=requires_certificate)
        context.restrict(minimum=ssl.TLSVersion.TLSv1_2, ciphers=CIPHERS)
        return self._loaded(context)

    async def follow(self) -> None:
        """Load a renewed key pair for the connections to come; keep the old one while the new is unusable."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.refresh()

    def refresh(self) -> bool:
        """Load the files again if they changed; answer whether they did and were good."""
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self._seen = stamp
        try:
            for context in self._contexts:
                context.load_cert_chain(self.certificate, self._key)
        except (OSError, ssl.SSLError, ValueError) as cause:
            _log.error("tls_key_pair_not_renewed", certificate=str(self.certificate), reason=str(cause))
            return False
        _log.info("tls_key_pair_renewed", certificate=str(self.certificate))
        return True

    def _loaded(self, context: ssl.SSLContext) -> ssl.SSLContext:
        try:
            context.load_cert_chain(self.certificate, self._key)
        except (OSError, ssl.SSLError, ValueError) as cause:
            raise UnusableKeyPairError(self.certificate, str(cause)) from cause
        self._contexts.append(context)
        return context

    def _stamp(self) -> tuple[tuple[int, int], ...]:
        try:
            found = [path.stat() for path in (self.certificate, self._key)]
        except OSError:
            return ()
        return tuple((each.st_mtime_ns, each.st_ino) for each in found)


def trusting(extra: Path | None) -> ssl.SSLContext:
    """Return a client's context: the system's authorities, and the certificates of a file of ours."""
    context = ssl.create_default_context()
    if extra is not None:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(extra)
    return context
