"""A gateway behind a real socket, and words to throw at it: what no well-behaved client would send."""

import asyncio
import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from functools import partial

import uvloop
from starlette.requests import Request
from starlette.responses import Response

from control_plane.gateway.connections import Connections
from control_plane.gateway.protocol import StrictProtocol
from control_plane.server import Listener, listen, serve
from shared_kernel.endpoint import Endpoint
from tests.control_plane.gateway_city import City

TOKEN = b"Authorization: Bearer admin\r\n"
HOST = b"Host: gridwarden.test\r\n"
LARGE = 32 << 20
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


class Impatient(StrictProtocol):
    """The protocol with short deadlines."""

    head_timeout_s = 0.4
    body_timeout_s = 0.4
    write_timeout_s = 0.4


async def _large(_request: Request) -> Response:
    return Response(bytes(LARGE))


class Running:
    """A gateway behind a real socket, in a thread of its own."""

    def __init__(self, *, connections: Connections | None = None, tls: ssl.SSLContext | None = None,
                 more: Sequence[Endpoint] = (), is_patient: bool = False) -> None:
        self.city = City(more=(Endpoint("GET", "/large", "public.read", _large), *more))
        bound = listen("127.0.0.1", 0, option="--gateway-port")
        self.port: int = bound.getsockname()[1]
        self._tls = None if tls is None else ssl.create_default_context()
        if self._tls is not None:
            self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE
        room = Connections() if connections is None else connections
        protocol = partial(StrictProtocol if is_patient else Impatient, connections=room)
        self._listener = Listener(self.city.gateway(), bound, protocol, tls)
        self._loop = uvloop.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(serve([self._listener], self._stop))

    def stop(self) -> None:
        """Stop the server."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def forget(self) -> "Running":
        """Forget what earlier tests left in the ledger."""
        self.city.ledger.events.clear()
        self.city.contexts.clear()
        return self

    def allows(self) -> int:
        """Return how many decisions the ledger holds that let somebody in."""
        return sum(event["grid"]["decision"]["allow"] for event in self.city.ledger.events)

    def connection(self, timeout_s: float = 1.0, alpn: Sequence[str] = ()) -> socket.socket:
        """Open a connection."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)
        if self._tls is None:
            return plain
        if alpn:
            self._tls.set_alpn_protocols(alpn)
        return self._tls.wrap_socket(plain)

    def say(self, *parts: bytes, pause_s: float = 0.0) -> bytes:
        """Send parts, then read until the server closes or falls silent for a second."""
        with self.connection() as sock:
            answer = bytearray()
            with contextlib.suppress(OSError):
                for part in parts:
                    sock.sendall(part)
                    time.sleep(pause_s)
            with contextlib.suppress(OSError):
                while data := sock.recv(65_536):
                    answer += data
            return bytes(answer)


def get(target: bytes, more: bytes = b"", version: bytes = b"HTTP/1.1", method: bytes = b"GET") -> bytes:
    """Return a request's head, with an administrator's token."""
    return method + b" " + target + b" " + version + b"\r\n" + HOST + TOKEN + more + b"\r\n"


def statuses(answer: bytes) -> list[int]:
    """Return the statuses of the answers, in order."""
    return [int(status) for status in _STATUS.findall(answer)]
