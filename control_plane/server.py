"""The HTTP servers of the process: uvicorn on httptools and uvloop, on sockets bound before anything else starts."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import uvicorn

from control_plane.tls.door import TlsDoor
from shared_kernel.errors import GridwardenError

GRACE_S = 5
BACKLOG = 2048


class PortTakenError(GridwardenError):
    """Somebody listens there already."""

    def __init__(self, host: str, port: int, option: str) -> None:
        super().__init__(f"port {port} on {host} is taken by another process: stop it, or choose another with {option}")


class UnusableAddressError(GridwardenError):
    """The address is not this machine's, or the port may not be bound."""

    def __init__(self, host: str, port: int, why: str, option: str) -> None:
        super().__init__(f"cannot listen on {host} port {port} ({why}): choose another with --host or {option}")


def listen(host: str, port: int, *, option: str, is_shared: bool = False) -> socket.socket:
    """Return a listening socket; `option` is the command-line option the remedy names.

    A shared one leaves room for our workers' beside it, once it is sure that nobody else is there.
    """
    if is_shared:
        with contextlib.closing(listen(host, port, option=option)) as alone:
            port = alone.getsockname()[1]
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(is_shared))
    try:
        bound.bind((host, port))
        bound.listen(BACKLOG)
    except OSError as cause:
        bound.close()
        if cause.errno == errno.EADDRINUSE:
            raise PortTakenError(host, port, option) from cause
        raise UnusableAddressError(host, port, cause.strerror or "error", option) from cause
    return bound


def listen_beside(host: str, port: int) -> socket.socket:
    """Return a socket that listens beside the parent's: the kernel spreads connections over them by their address."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # its dead connections must not hold up a restart
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, port))
    bound.listen(BACKLOG)
    return bound


@dataclass(frozen=True, slots=True)
class Listener:
    """An ASGI application, its socket, the HTTP protocol it is parsed with, and TLS if it speaks that."""

    application: Any
    socket: socket.socket
    http: Any
    tls: ssl.SSLContext | None = None


class _Server(uvicorn.Server):
    """A server that leaves signals to the process that runs two of them, and counts TLS handshakes as connections."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        if self.config.ssl is None:
            await super().startup(sockets)
            return
        visitor = partial(cast("Any", self.config.http_protocol_class), config=self.config,
                          server_state=self.server_state, app_state=self.lifespan.state)
        self.servers = cast("Any", [TlsDoor(bound, visitor, self.config.ssl) for bound in sockets or ()])
        self.started = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(listeners: list[Listener], stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then let requests in flight finish within GRACE_S seconds."""
    servers = [(_Server(_config(listener)), listener.socket) for listener in listeners]

    async def ask_to_stop() -> None:
        await stop.wait()
        for server, _ in servers:
            server.should_exit = True

    waiting = asyncio.create_task(ask_to_stop())
    try:
        async with asyncio.TaskGroup() as group:
            for server, bound in servers:
                group.create_task(server.serve(sockets=[bound]))
    finally:
        waiting.cancel()


def _config(listener: Listener) -> uvicorn.Config:
    context = listener.tls
    return uvicorn.Config(
        listener.application, http=listener.http, loop="uvloop", ws="websockets-sansio", lifespan="off",
        log_config=None, access_log=False, proxy_headers=False, server_header=False,
        ssl_context_factory=None if context is None else lambda *_: context,
        timeout_keep_alive=30, timeout_graceful_shutdown=GRACE_S, ws_max_size=65_536,
        ws_per_message_deflate=False,
    )
