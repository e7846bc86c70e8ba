"""Running the product: its servers and its workers, from the first socket to the last drained request."""

import asyncio
import contextlib
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Coroutine
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
import uvloop
from starlette.types import ASGIApp

from control_plane.config import ConfigurationError, Settings
from control_plane.console.wiring import console_application
from control_plane.database.embedded import EmbeddedPostgres
from control_plane.database.migrations import migrate
from control_plane.ext_authz.serving import checks
from control_plane.fleet.metrics import Peers
from control_plane.fleet.workers import Order, Workers
from control_plane.gateway.connections import Connections
from control_plane.gateway.protocol import StrictProtocol
from control_plane.home import Home, HomeLock
from control_plane.listening import Sockets, listening, port_of, room_for
from control_plane.logs import configure_logs
from control_plane.origins import origin_of
from control_plane.product import Product
from control_plane.screen import Screen
from control_plane.server import Listener, listen, serve
from control_plane.tls.contexts import KeyPair
from control_plane.watchdog import keep_running
from control_plane.wiring.product import assembled
from shared_kernel.errors import UnavailableError

_log = structlog.get_logger()


def run(settings: Settings, *, demo: bool, as_json: bool) -> None:
    """Run everything until SIGINT or SIGTERM."""
    configure_logs(settings.log_level)
    screen = Screen(as_json=as_json)
    home = Home(settings.home.resolve())
    keys = key_pair(settings)
    with (
        HomeLock(home, version("gridwarden")), listening(settings) as (bound, sockets),
        tempfile.TemporaryDirectory(prefix="gridwarden-") as peers,
    ):
        uvloop.run(_run(bound, home, sockets, keys, screen, peers=Path(peers), demo=demo))


def run_console(settings: Settings) -> None:
    """Run only the console, against the gateway that `issuer` names."""
    configure_logs(settings.log_level)
    keys = key_pair(settings)
    with contextlib.closing(listen(str(settings.host), settings.console_port, option="--console-port")) as bound:
        settings = settings.model_copy(update={"console_port": port_of(bound)})
        Screen(as_json=False).say("ready", f"console {settings.console_base_url()}")
        uvloop.run(_run_console(settings, Home(settings.home.resolve()), bound, keys))


def key_pair(settings: Settings) -> KeyPair | None:
    """Return what the listeners speak TLS with, if they do; ConfigurationError."""
    if settings.tls_cert is None and settings.mtls_port is not None:
        raise ConfigurationError("the setting mtls_port is unusable: client certificates need TLS_CERT and TLS_KEY")
    return None if settings.tls_cert is None else KeyPair(settings.tls_cert, settings.tls_key)


async def _run(  # noqa: PLR0913 - what one start consists of
    settings: Settings, home: Home, sockets: Sockets, keys: KeyPair | None, screen: Screen, *, peers: Path, demo: bool,
) -> None:
    stop, strict = _stop_event(), strict_protocol(settings)
    among = Peers(peers) if settings.workers > 1 else Peers()
    async with (
        _database(settings, home) as (url, server), assembled(settings, home, url, peers=among) as product,
        among.answering(),
    ):
        await product.first_start(screen, demo=demo)
        async with (
            console_application(settings, home) as web,
            checks(product, sockets.ext_authz, keys, strict, is_shared=settings.workers > 1) as checking,
        ):
            settings = settings.model_copy(update={"ext_authz_port": checking.grpc_port})
            workers = Workers(settings.workers - 1, _order(settings, url, peers))
            product.checks["workers"] = workers.check
            listeners = [*_listeners(product, web, sockets, keys, strict), *checking.listeners]
            serving = asyncio.create_task(serve(listeners, stop))
            product.start_background()
            if server is not None:
                product.supervisor.start("embedded database", partial(keep_running, server))
            if keys is not None:
                product.supervisor.start("tls key pair", keys.follow)
            async with workers.running():
                await _first_of(serving, workers.wait_ready())
                if not serving.done():
                    _tell_ready(settings, screen)
                await stop.wait()
            await serving
            _log.info("stopping")


async def _first_of(serving: asyncio.Task[None], ready: Coroutine[None, None, None]) -> None:
    """Wait until all are ready, or stopped before that."""
    waiting = asyncio.create_task(ready)
    await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        waiting.cancel()
    else:
        await waiting


def _order(settings: Settings, url: str, peers: Path) -> Order:
    """Return what a worker cannot know from its environment."""
    given = {"home": str(settings.home.resolve()), "host": str(settings.host), "gateway_port": settings.gateway_port,
             "console_port": settings.console_port, "mtls_port": settings.mtls_port,
             "ext_authz_port": settings.ext_authz_port, "ext_authz_http_port": settings.ext_authz_http_port}
    return Order(given, url, str(peers))


def _listeners(product: Product, web: ASGIApp, sockets: Sockets, keys: KeyPair | None,
               strict: partial[StrictProtocol]) -> list[Listener]:
    """Return the gateway's listeners and the console."""
    console = Listener(web, sockets.console, strict, keys.plain() if keys else None)
    return [*gateway_listeners(product, sockets.gateway, sockets.mtls, keys, strict), console]


def gateway_listeners(
    product: Product, front: socket.socket, mtls: socket.socket | None, keys: KeyPair | None,
    strict: partial[StrictProtocol],
) -> list[Listener]:
    """Return the gateway and, if wanted, its port for clients with certificates."""
    settings = product.settings
    asks = settings.tls_client_certificates == "optional"
    tls = None if keys is None else keys.asking(requires_certificate=False) if asks else keys.plain()
    if mtls is None or keys is None:
        [gateway] = product.gateways(settings.gateway_origin())
        return [Listener(gateway, front, strict, tls)]
    gateway, certified = product.gateways(settings.gateway_origin(), origin_of(settings.mtls_url() or ""))
    return [Listener(gateway, front, strict, tls),
            Listener(certified, mtls, strict, keys.asking(requires_certificate=True))]


def strict_protocol(settings: Settings) -> partial[StrictProtocol]:
    """Return the HTTP protocol of every listener of the process; they share its room for connections."""
    return partial(StrictProtocol, connections=Connections(
        total=room_for(settings.max_connections), per_address=settings.max_connections_per_address,
        proxies=settings.trusted_proxies))


async def _run_console(settings: Settings, home: Home, bound: socket.socket, keys: KeyPair | None) -> None:
    async with console_application(settings, home) as web:
        await serve([Listener(web, bound, strict_protocol(settings), keys.plain() if keys else None)], _stop_event())


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


@contextlib.asynccontextmanager
async def _database(settings: Settings, home: Home) -> AsyncIterator[tuple[str, EmbeddedPostgres | None]]:
    """Yield the owner's URL of a migrated database, and its server if it is ours."""
    if settings.database_url:
        try:
            await migrate(settings.database_url)
        except OSError as cause:
            raise UnavailableError(f"PostgreSQL does not answer ({cause}): check DATABASE_URL") from cause
        yield settings.database_url, None
        return
    server = EmbeddedPostgres(home.postgres, processes=settings.workers)
    url = await asyncio.to_thread(server.start)
    try:
        await migrate(url)
        yield url, server
    finally:
        await asyncio.to_thread(server.stop)


def _tell_ready(settings: Settings, screen: Screen) -> None:
    gateway, console, mtls = settings.gateway_url(), settings.console_base_url(), settings.mtls_url()
    facts: dict[str, Any] = {"gateway": gateway, "console": console} | ({"mtls": mtls} if mtls else {})
    host = settings.ext_authz_host()
    ports = {"ext_authz": settings.ext_authz_port, "ext_authz_http": settings.ext_authz_http_port}
    facts |= {name: f"{host}:{port}" for name, port in ports.items() if port is not None}
    facts |= {"workers": settings.workers} if settings.workers > 1 else {}
    screen.say("ready", "ready: " + ", ".join(f"{name} {url}" for name, url in facts.items()), **facts)
