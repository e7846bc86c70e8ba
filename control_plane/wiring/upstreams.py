"""The services of others as the settings name them, introduced to who signs, who vouches and who finds them."""

import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import psutil

from control_plane.config import ConfigurationError, Settings
from control_plane.home import Home
from control_plane.tls.authority import Authority
from control_plane.tls.contexts import trusting
from control_plane.upstreams.assertion import Pen
from control_plane.upstreams.contexts import Contexts
from control_plane.upstreams.discovery import Consul
from control_plane.upstreams.pki import BuiltInPki, Pki, VaultPki
from control_plane.upstreams.plan_file import load_plan
from control_plane.upstreams.upstreams import Surroundings, Upstreams
from control_plane.vault_session import VaultSession
from shared_kernel.clock import Clock


@contextlib.asynccontextmanager
async def upstreams_of(settings: Settings, home: Home, pen: Pen, vault: VaultSession | None,
                       clock: Clock) -> AsyncIterator[Upstreams | None]:
    """Yield the services, opened; None when the settings name no file."""
    if settings.upstreams is None:
        yield None
        return
    plan = load_plan(settings.upstreams)
    pki = pki_of(settings, home, vault, clock) if plan.needs_pki else None
    found = Upstreams(plan, Surroundings(
        pen=pen, clock=clock, issuer=settings.gateway_url(),
        public_host=urlsplit(settings.gateway_url()).netloc, contexts=Contexts(home.service_certificates, clock, pki),
        consul=_consul(settings), own_ports=tuple(port for port in (
            settings.gateway_port, settings.console_port, settings.mtls_port) if port), own_hosts=_own_hosts()))
    try:
        await found.open()
        yield found
    finally:
        await found.close()


def pki_of(settings: Settings, home: Home, vault: VaultSession | None, clock: Clock) -> Pki:
    """Return who vouches; raise ConfigurationError."""
    if settings.upstream_pki == "built-in":
        return BuiltInPki(Authority(home.authority, clock))
    if vault is None:
        raise ConfigurationError("GRIDWARDEN_UPSTREAM_PKI is vault: set VAULT_ADDR")
    return VaultPki(vault, mount=settings.upstream_pki_mount, role=settings.upstream_pki_role)


def _consul(settings: Settings) -> Consul | None:
    if settings.consul_addr is None:
        return None
    token = settings.consul_token.get_secret_value() if settings.consul_token else None
    is_tls = settings.consul_addr.scheme == "https"
    return Consul(str(settings.consul_addr), token=token, tls=trusting(settings.outbound_ca) if is_tls else None)


def _own_hosts() -> tuple[str, ...]:
    """Return this machine's addresses."""
    return tuple(place.address for places in psutil.net_if_addrs().values() for place in places)
