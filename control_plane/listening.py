"""The sockets of the process, bound before anything is started, so that a taken port costs nothing."""

import contextlib
import resource
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace

import structlog

from control_plane.config import Settings
from control_plane.server import listen

FILES_BESIDE = 512
"""Open files the process needs for anything else: its database, its logs, its children."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sockets:
    """One for each server; `mtls` where clients must show a certificate, `ext_authz` for checks over HTTP."""

    gateway: socket.socket
    console: socket.socket
    mtls: socket.socket | None = None
    ext_authz: socket.socket | None = None


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[tuple[Settings, Sockets]]:
    """Yield the settings with the ports that were bound, and the sockets."""
    with contextlib.ExitStack() as stack:

        def bound(port: int, option: str, *, is_shared: bool = settings.workers > 1) -> socket.socket:
            made = listen(str(settings.host), port, option=option, is_shared=is_shared)
            return stack.enter_context(contextlib.closing(made))

        sockets = Sockets(
            bound(settings.gateway_port, "--gateway-port"),
            bound(settings.console_port, "--console-port", is_shared=False),
            None if settings.mtls_port is None else bound(settings.mtls_port, "GRIDWARDEN_MTLS_PORT"))
        ports = {"gateway_port": port_of(sockets.gateway), "console_port": port_of(sockets.console)}
        if sockets.mtls is not None:
            ports["mtls_port"] = port_of(sockets.mtls)
        if settings.ext_authz_http_port is not None:
            checks = stack.enter_context(contextlib.closing(listen(
                settings.ext_authz_host(), settings.ext_authz_http_port, option="GRIDWARDEN_EXT_AUTHZ_HTTP_PORT",
                is_shared=settings.workers > 1)))
            sockets, ports["ext_authz_http_port"] = replace(sockets, ext_authz=checks), port_of(checks)
        yield settings.model_copy(update=ports), sockets


def port_of(bound: socket.socket) -> int:
    """Return the port a socket was bound to."""
    return int(bound.getsockname()[1])


def room_for(connections: int) -> int:
    """Return how many connections the process may hold, after asking the system for as many open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + FILES_BESIDE
    reach = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < reach:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reach, hard))
    if reach == wanted:
        return connections
    room = max(1, reach - FILES_BESIDE)
    _log.warning("fewer_connections", wanted=connections, room=room, remedy="raise the limit of open files (ulimit -n)")
    return room
