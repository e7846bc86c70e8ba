"""Listening for checks, when and where the settings say: loopback, or anywhere to proxies with a certificate of ours.

A port that tells whether a token is good is not for everybody. Without GRIDWARDEN_EXT_AUTHZ_CLIENT_CA the servers bind
to loopback whatever GRIDWARDEN_HOST says.
"""

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from control_plane.config import ConfigurationError, Settings
from control_plane.ext_authz.checker import Checker
from control_plane.ext_authz.http_service import HttpChecks
from control_plane.ext_authz.permission import permitting
from control_plane.ext_authz.route_map import SETTING, read_route_map
from control_plane.product import Product
from control_plane.server import Listener
from control_plane.tls.contexts import KeyPair


class NoRoutesError(ConfigurationError):
    """A port without a route map would deny everything."""

    def __init__(self) -> None:
        super().__init__(f"external authorization has a port and no routes: name the file of routes in {SETTING}")


class NoKeyPairError(ConfigurationError):
    """Clients cannot show certificates without TLS."""

    def __init__(self) -> None:
        super().__init__("GRIDWARDEN_EXT_AUTHZ_CLIENT_CA needs TLS_CERT and TLS_KEY: certificates travel by TLS only")


@dataclass(frozen=True, slots=True)
class MutualTls:
    """Who may connect from elsewhere: proxies with a certificate of this authority."""

    certificate: Path
    key: Path
    authority: Path

    def context(self, keys: KeyPair) -> ssl.SSLContext:
        """Return the context of the HTTP server, whose key pair is followed like that of the gateway."""
        context = keys.plain()
        try:
            context.load_verify_locations(self.authority)
        except (OSError, ssl.SSLError) as cause:
            raise ConfigurationError(
                f"GRIDWARDEN_EXT_AUTHZ_CLIENT_CA names {self.authority}, which holds no certificates (PEM)") from cause
        context.verify_mode = ssl.CERT_REQUIRED
        return context


@dataclass(frozen=True, slots=True)
class Checks:
    """What serves checks: the port of gRPC, if it is wanted, and the listeners of HTTP."""

    grpc_port: int | None = None
    listeners: tuple[Listener, ...] = ()


def is_wanted(settings: Settings) -> bool:
    """Tell whether anybody may ask."""
    return settings.ext_authz_port is not None or settings.ext_authz_http_port is not None


def mutual_tls_of(settings: Settings) -> MutualTls | None:
    """Return who may connect from elsewhere, None for nobody; raise NoKeyPairError."""
    if settings.ext_authz_client_ca is None:
        return None
    if settings.tls_cert is None:
        raise NoKeyPairError
    return MutualTls(settings.tls_cert, settings.tls_key or settings.tls_cert, settings.ext_authz_client_ca)


def checker_of(product: Product) -> Checker:
    """Return who decides on checks; raise ConfigurationError for a route map that is none."""
    path = product.settings.ext_authz_routes
    if path is None:
        raise NoRoutesError
    routes = read_route_map(path, permitting)
    return Checker(product.gateway_before(routes.endpoints, routes.origin))


@contextlib.asynccontextmanager
async def checks(product: Product, bound: socket.socket | None, keys: KeyPair | None, protocol: object, *,
                 is_shared: bool) -> AsyncIterator[Checks]:
    """Serve checks by gRPC while the block runs, and yield what serves them by HTTP on a bound socket."""
    settings = product.settings
    if not is_wanted(settings):
        yield Checks()
        return
    checker, tls = checker_of(product), mutual_tls_of(settings)
    listeners: tuple[Listener, ...] = ()
    if bound is not None:
        context = None if tls is None or keys is None else tls.context(keys)
        listeners = (Listener(HttpChecks(checker), bound, protocol, context),)
    async with _by_grpc(settings, checker, tls, is_shared=is_shared) as port:
        yield Checks(port, listeners)


@contextlib.asynccontextmanager
async def _by_grpc(settings: Settings, checker: Checker, tls: MutualTls | None, *,
                   is_shared: bool) -> AsyncIterator[int | None]:
    if settings.ext_authz_port is None:
        yield None
        return
    from control_plane.ext_authz import grpc_service

    credentials = None if tls is None else grpc_service.mutual_tls(tls.certificate, tls.key, tls.authority)
    host = settings.ext_authz_host()
    server = grpc_service.server_of(checker, is_shared=is_shared)
    address = f"[{host}]:{settings.ext_authz_port}" if ":" in host else f"{host}:{settings.ext_authz_port}"
    port = grpc_service.bound(server, address, credentials)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(grpc_service.GRACE_S)
