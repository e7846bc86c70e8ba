"""The sockets of the process, bound before anything is started, so that a taken port costs nothing."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from control_plane.config import Settings
from control_plane.server import listen


@dataclass(frozen=True, slots=True)
class Sockets:
    """One for each server; `mtls` where clients must show a certificate."""

    gateway: socket.socket
    console: socket.socket
    mtls: socket.socket | None = None


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[tuple[Settings, Sockets]]:
    """Yield the settings with the ports that were bound, and the sockets."""
    with contextlib.ExitStack() as stack:

        def bound(port: int, option: str) -> socket.socket:
            return stack.enter_context(contextlib.closing(listen(str(settings.host), port, option=option)))

        sockets = Sockets(
            bound(settings.gateway_port, "--gateway-port"), bound(settings.console_port, "--console-port"),
            None if settings.mtls_port is None else bound(settings.mtls_port, "GRIDWARDEN_MTLS_PORT"))
        ports = {"gateway_port": port_of(sockets.gateway), "console_port": port_of(sockets.console)}
        if sockets.mtls is not None:
            ports["mtls_port"] = port_of(sockets.mtls)
        yield settings.model_copy(update=ports), sockets


def port_of(bound: socket.socket) -> int:
    """Return the port a socket was bound to."""
    return int(bound.getsockname()[1])
