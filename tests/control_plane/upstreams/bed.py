"""Services on real sockets behind a gateway: honest ones (aiohttp), and some that say whatever a test wants."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
from aiohttp import web
from starlette.types import ASGIApp, Message, Scope

from control_plane.gateway.protocol import StrictProtocol
from control_plane.server import Listener, listen, serve
from control_plane.upstreams.contexts import Contexts
from control_plane.upstreams.discovery import Consul
from control_plane.upstreams.pki import Pki
from control_plane.upstreams.plan_file import load_plan
from control_plane.upstreams.upstreams import Surroundings, Upstreams
from identity.domain.jose.key_ring import KeyRings
from identity.domain.jose.mint import Mint
from shared_kernel.clock import Clock
from tests.control_plane.gateway_city import START_US, City, Told
from tests.frozen_clock import FrozenClock

ISSUER = "https://grid.test"
ADMIN = {"Authorization": "Bearer admin"}


def mint() -> Mint:
    """Return identity's pen with keys of its own."""
    return Mint(cast("Any", SimpleNamespace(rings=KeyRings.generate(START_US, ["ES256"]))), ISSUER, f"{ISSUER}/api")


@dataclass(slots=True)
class Bed:
    """A gateway with services behind it."""

    upstreams: Upstreams
    city: City
    gateway: Any
    clock: FrozenClock
    pen: Mint


@contextlib.asynccontextmanager
async def bed(  # noqa: PLR0913 - what a gateway has around it
    folder: Path, plan: str, *, pki: Pki | None = None, consul: Consul | None = None,
    own_ports: tuple[int, ...] = (), city: City | None = None, contexts_clock: Clock | None = None,
) -> AsyncIterator[Bed]:
    """Open the services of a plan behind a gateway."""
    path = folder / "upstreams.yaml"
    path.write_text(plan)
    clock, pen = FrozenClock(START_US), mint()
    found = Upstreams(load_plan(path), Surroundings(
        pen=pen, clock=clock, issuer=ISSUER, public_host="grid.test",
        contexts=Contexts(folder / "keys", contexts_clock or clock, pki), consul=consul, own_ports=own_ports))
    city = city or City()
    city.more = found.endpoints()
    try:
        await found.open()
        yield Bed(found, city, city.gateway(clock), clock, pen)
    finally:
        await found.close()


@contextlib.asynccontextmanager
async def listening(gateway: Any) -> AsyncIterator[int]:
    """Serve a gateway on a socket; give its port."""
    bound, stop = listen("127.0.0.1", 0, option="--gateway-port"), asyncio.Event()
    serving = asyncio.create_task(serve([Listener(gateway, bound, StrictProtocol)], stop))
    try:
        yield bound.getsockname()[1]
    finally:
        stop.set()
        await serving


@dataclass(slots=True)
class Seen:
    """A request as a service's socket got it."""

    head: bytes
    body: bytes

    @property
    def line(self) -> str:
        """Method, target and version."""
        return self.head.split(b"\r\n")[0].decode()

    @property
    def fields(self) -> dict[str, str]:
        """Its fields, in lower case; one that stands twice is an error."""
        pairs = [line.split(": ", 1) for line in self.head.decode("latin-1").split("\r\n")[1:] if line]
        names = [name.lower() for name, _ in pairs]
        assert len(names) == len(set(names)), names
        return {name.lower(): value for name, value in pairs}


Speak = Callable[[Seen, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Scripted:
    """A service that answers each request by what `speak` writes; `seen` are the requests, `left` counts closings."""

    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    left: int = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


def saying(answer: bytes) -> Speak:
    """Write these bytes whatever is asked, and keep the connection."""

    async def speak(_seen: Seen, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return speak


def ok(body: bytes = b"fine", *fields: bytes, status: bytes = b"200 OK") -> bytes:
    """Return an honest answer."""
    lines = [b"HTTP/1.1 " + status, b"Content-Type: text/plain", b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@contextlib.asynccontextmanager
async def scripted(speak: Speak | bytes, *, tls: SSLContext | None = None, port: int = 0) -> AsyncIterator[Scripted]:
    """Run such a service."""
    talk = saying(speak) if isinstance(speak, bytes) else speak
    found = Scripted()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
                seen = Seen(head, await _body(head, reader))
                found.seen.append(seen)
                await talk(seen, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            found.left += 1
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        server.close_clients() if hasattr(server, "close_clients") else None


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    fields = {line.split(b":")[0].lower(): line.split(b":", 1)[1].strip() for line in head.split(b"\r\n")[1:]}
    if b"content-length" in fields:
        return await reader.readexactly(int(fields[b"content-length"]))
    body = b""
    if fields.get(b"transfer-encoding") == b"chunked":
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    return body


@contextlib.asynccontextmanager
async def application(routes: Sequence[web.RouteDef], *, tls: SSLContext | None = None) -> AsyncIterator[str]:
    """Run an aiohttp application; give its URL."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    bound = listen("127.0.0.1", 0, option="--port")
    await web.SockSite(runner, bound, ssl_context=tls).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """A caller of the gateway."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


async def ask(  # noqa: PLR0913 - the parts of a request
    gateway: ASGIApp, method: str, path: str, *, headers: Mapping[str, str] | None = None,
    chunks: Sequence[bytes] = (), peer: str = "127.0.0.1", query: bytes = b"",
) -> Told:
    """Send one request to a gateway, and stay until the answer is whole."""
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "path": "/wrong",
        "raw_path": path.encode(), "query_string": query, "root_path": "", "client": (peer, 1234), "method": method,
        "server": ("127.0.0.1", 80), "extensions": {},
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
    }
    pending: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    pending.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Message] = []

    async def receive() -> Message:
        if not pending:
            await asyncio.Event().wait()
        return pending.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await gateway(scope, receive, send)
    start: Message = next((message for message in sent if "status" in message), {"status": 0})
    fields = {name.decode(): value.decode() for name, value in start.get("headers", ())}
    return Told(start["status"], fields, b"".join(message.get("body", b"") for message in sent), tuple(sent))


def plan_of(url: str, *, service: str = "", route: str = "") -> str:
    """Return a plan with one service and some routes; `service` and `route` are lines of YAML for them."""
    more = "".join(f"    {line}\n" for line in service.splitlines())
    extra = "".join(f", {part}" for part in route.splitlines())
    return f"""services:
  billing:
    targets: ["{url}"]
{more}routes:
  - {{method: GET, path: "/billing/{{rest:path}}", action: public.read, service: billing, to: "/v2/{{rest}}"{extra}}}
  - {{method: POST, path: "/billing/{{rest:path}}", action: public.write, service: billing, to: "/v2/{{rest}}",
     max_body: 1000000{extra}}}
"""
