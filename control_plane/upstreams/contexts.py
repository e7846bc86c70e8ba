"""TLS towards services: whom each is believed by, and what the gateway shows it; both are renewed while it runs.

TLS 1.2 or 1.3 with the ciphers of our own ports, names always checked. A renewal replaces the context whole, for the
connections to come: kept-alive ones of the old context are not used again.
"""

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

import structlog
from cryptography import x509
from prometheus_client import Gauge

from control_plane.config import ConfigurationError
from control_plane.tls.authority import write_private
from control_plane.tls.contexts import CIPHERS
from control_plane.upstreams.pki import Pki
from control_plane.upstreams.plan import SYSTEM, Tls, authority_file
from shared_kernel.clock import Clock
from shared_kernel.errors import GridwardenError

LOOK_S = 30.0
_expiry = Gauge("gridwarden_upstream_certificate_expiry_seconds", "When what we show to a service ends (Unix time)",
                ["service"])
_log = structlog.get_logger("gridwarden.upstreams")


class UnusableTlsError(ConfigurationError):
    """A service's `tls` does not make a connection."""

    def __init__(self, service: str, why: str) -> None:
        super().__init__(f"GRIDWARDEN_UPSTREAMS: services.{service}.tls cannot be used ({why}): name a PEM file of "
                         "authorities in `ca`, or `system`, or `pki`")


@dataclass(frozen=True, slots=True)
class _Made:
    """One service's context, when it must be renewed, and the file it was made from."""

    tls: Tls
    context: ssl.SSLContext
    renew_at_us: int | None
    file_stamp: tuple[int, int]


class Contexts:
    """Makes and renews the TLS contexts; `folder` is for our own keys (`load_cert_chain` takes files alone)."""

    def __init__(self, folder: Path, clock: Clock, pki: Pki | None) -> None:
        self._folder, self._clock, self._pki = folder, clock, pki
        self._made: dict[str, _Made] = {}

    async def make(self, service: str, tls: Tls) -> None:
        """Make the context of a service; raise UnusableTlsError, UnavailableError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        stamp = _stamp(tls)
        await self._believe(service, tls, context)
        renew_at_us = await self._show(service, context) if tls.client_certificate else None
        self._made[service] = _Made(tls, context, renew_at_us, stamp)

    def of(self, service: str) -> ssl.SSLContext:
        """Return the context for the connections to come."""
        return self._made[service].context

    async def keep(self) -> None:
        """Renew for ever: certificates of ours at half their life, files of authorities when they change."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Renew what is due; what cannot be renewed goes on as it is, and the log says so."""
        now_us = self._clock.now_us()
        for service, made in list(self._made.items()):
            is_due = made.renew_at_us is not None and now_us >= made.renew_at_us
            if not is_due and _stamp(made.tls) == made.file_stamp:
                continue
            try:
                await self.make(service, made.tls)
            except (GridwardenError, OSError, ssl.SSLError) as error:
                _log.error("service_tls_not_renewed", service=service, why=str(error))
            else:
                _log.info("service_tls_renewed", service=service)

    async def _believe(self, service: str, tls: Tls, context: ssl.SSLContext) -> None:
        path = authority_file(tls)
        try:
            if tls.ca == SYSTEM:
                context.load_default_certs(ssl.Purpose.SERVER_AUTH)
            elif path is None:
                context.load_verify_locations(cadata=(await self._vouching(service).authority()).decode("ascii"))
            else:
                context.load_verify_locations(cafile=path)
        except (OSError, ssl.SSLError, ValueError) as cause:
            raise UnusableTlsError(service, f"{tls.ca}: {cause}") from cause

    async def _show(self, service: str, context: ssl.SSLContext) -> int:
        """Load a fresh certificate of ours; return when to renew it."""
        issued = await self._vouching(service).issued(service)
        path = self._folder / f"{service}.pem"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, issued.certificate + (issued.key or b""))
        context.load_cert_chain(path)
        ends_s = x509.load_pem_x509_certificate(issued.certificate).not_valid_after_utc.timestamp()
        _expiry.labels(service).set(ends_s)
        now_us = self._clock.now_us()
        return now_us + (int(ends_s * 1_000_000) - now_us) // 2

    def _vouching(self, service: str) -> Pki:
        if self._pki is None:
            raise UnusableTlsError(service, "there is no authority to ask")
        return self._pki


def _stamp(tls: Tls) -> tuple[int, int]:
    path = authority_file(tls)
    try:
        return (0, 0) if path is None else (path.stat().st_mtime_ns, path.stat().st_ino)
    except OSError:
        return (0, 0)
