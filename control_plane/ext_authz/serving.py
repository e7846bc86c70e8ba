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

    def context(self) -> ssl.SSLContext:
        """Return the context of the HTTP server."""
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.authority)
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as cause:
            raise ConfigurationError(
                "TLS_CERT, TLS_KEY or GRIDWARDEN_EXT_AUTHZ_CLIENT_CA is unusable: all are PEM files") from cause
        context.verify_mode = ssl.CERT_REQUIRED
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


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


def http_checks(settings: Settings, checker: Checker, bound: socket.socket, protocol: object) -> Listener:
    """Return the server of checks over HTTP on a bound socket."""
    tls = mutual_tls_of(settings)
    return Listener(HttpChecks(checker), bound, protocol, None if tls is None else tls.context())


@contextlib.asynccontextmanager
async def grpc_checks(settings: Settings, checker: Checker | None) -> AsyncIterator[int | None]:
    """Serve checks over gRPC while the block runs; yield the port, None when no port is set."""
    if settings.ext_authz_port is None or checker is None:
        yield None
        return
    from control_plane.ext_authz import grpc_service

    tls = mutual_tls_of(settings)
    credentials = None if tls is None else grpc_service.mutual_tls(tls.certificate, tls.key, tls.authority)
    host = settings.ext_authz_host()
    server = grpc_service.server_of(checker)
    address = f"[{host}]:{settings.ext_authz_port}" if ":" in host else f"{host}:{settings.ext_authz_port}"
    port = grpc_service.bound(server, address, credentials)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(grpc_service.GRACE_S)
