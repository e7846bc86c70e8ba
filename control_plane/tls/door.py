"""The door of a TLS listener: a connection has its seat before the handshake, and little time for that.

asyncio tells a protocol of its connection after the handshake only: whoever never finishes one would be counted by
nobody, and a stranger could hold as many silent sockets as the process may have open files.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any, Protocol

import structlog

HANDSHAKE_S = 10.0
_PAUSE_S = 0.5
_log = structlog.get_logger("gridwarden.gateway")


class Visitor(Protocol):
    """An asyncio protocol that may be told of its connection early."""

    def expected(self, peer: str, give_up: Callable[[], object]) -> bool:
        """Take a seat for a connection that is not made yet; tell whether there was one."""

    def unexpected(self) -> None:
        """Give the seat back unless the connection was made."""


class TlsDoor:
    """Accepts on one listening socket; looks to uvicorn like a server of asyncio's."""

    def __init__(self, bound: socket.socket, visitor: Callable[[], Visitor], context: ssl.SSLContext) -> None:
        self._bound, self._visitor, self._context = bound, visitor, context
        self._greeting: set[asyncio.Task[None]] = set()
        bound.setblocking(False)  # noqa: FBT003 - socket's own
        self._accepting = asyncio.create_task(self._accept(), name="tls door")

    def close(self) -> None:
        """Accept nobody more, and drop who is in a handshake."""
        for task in (self._accepting, *self._greeting):
            task.cancel()

    async def wait_closed(self) -> None:
        """Return when the door is shut."""
        await asyncio.gather(self._accepting, *self._greeting, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(self._bound)
            except OSError as error:
                _log.warning("connection_not_accepted", error=str(error))
                await asyncio.sleep(_PAUSE_S)  # out of open files: whoever waits in the backlog waits on
                continue
            task = loop.create_task(self._greet(connection, str(peer[0])))
            self._greeting.add(task)
            task.add_done_callback(self._greeting.discard)

    async def _greet(self, connection: socket.socket, peer: str) -> None:
        """Shake hands; there is nobody to tell why that failed."""
        visitor, itself = self._visitor(), asyncio.current_task()
        made: Any = None
        try:
            if itself is not None and visitor.expected(peer, itself.cancel):
                made, _ = await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: visitor, connection, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_S)  # type: ignore[type-var]
        except (OSError, EOFError) as error:
            _log.debug("handshake_failed", error=str(error))
        finally:
            visitor.unexpected()
            if made is None:
                with contextlib.suppress(OSError):
                    connection.close()
