"""Running the product: one process, two servers, from the first socket to the last drained request."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from functools import partial
from importlib.metadata import version

import structlog
import uvloop

from control_plane.config import Settings
from control_plane.console.wiring import console_application
from control_plane.database.embedded import EmbeddedPostgres
from control_plane.database.migrations import migrate
from control_plane.gateway.protocol import StrictProtocol
from control_plane.home import Home, HomeLock
from control_plane.logs import configure_logs
from control_plane.screen import Screen
from control_plane.server import Listener, listen, serve
from control_plane.watchdog import keep_running
from control_plane.wiring.product import assembled
from shared_kernel.errors import UnavailableError

_log = structlog.get_logger()


def run(settings: Settings, *, demo: bool, as_json: bool) -> None:
    """Run everything until SIGINT or SIGTERM."""
    configure_logs(settings.log_level)
    screen = Screen(as_json=as_json)
    home = Home(settings.home.resolve())
    with HomeLock(home, version("gridwarden")), _listening(settings) as (bound, gateway, console):
        uvloop.run(_run(bound, home, gateway, console, screen, demo=demo))


def run_console(settings: Settings) -> None:
    """Run only the console, against the gateway that `issuer` names."""
    configure_logs(settings.log_level)
    with contextlib.closing(listen(str(settings.host), settings.console_port, option="--console-port")) as bound:
        settings = _with_ports(settings, settings.gateway_port, _port(bound))
        Screen(as_json=False).say("ready", f"console {settings.console_base_url()}")
        uvloop.run(_run_console(settings, Home(settings.home.resolve()), bound))


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[tuple[Settings, socket.socket, socket.socket]]:
    """Bind both ports before anything is started, so that a taken port costs nothing."""
    with (
        contextlib.closing(listen(str(settings.host), settings.gateway_port, option="--gateway-port")) as gateway,
        contextlib.closing(listen(str(settings.host), settings.console_port, option="--console-port")) as console,
    ):
        yield _with_ports(settings, _port(gateway), _port(console)), gateway, console


def _port(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])


def _with_ports(settings: Settings, gateway_port: int, console_port: int) -> Settings:
    return settings.model_copy(update={"gateway_port": gateway_port, "console_port": console_port})


async def _run(  # noqa: PLR0913 - what one start consists of
    settings: Settings, home: Home, gateway: socket.socket, console: socket.socket, screen: Screen, *, demo: bool,
) -> None:
    stop = _stop_event()
    async with _database(settings, home) as (url, server), assembled(settings, home, url) as product:
        await product.first_start(screen, demo=demo)
        async with console_application(settings, home) as web:
            listeners = [Listener(product.gateway(), gateway, StrictProtocol), Listener(web, console, StrictProtocol)]
            serving = asyncio.create_task(serve(listeners, stop))
            product.start_background()
            if server is not None:
                product.supervisor.start("embedded database", partial(keep_running, server))
            _tell_ready(settings, screen)
            await serving
            _log.info("stopping")


async def _run_console(settings: Settings, home: Home, bound: socket.socket) -> None:
    async with console_application(settings, home) as web:
        await serve([Listener(web, bound, StrictProtocol)], _stop_event())


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
    server = EmbeddedPostgres(home.postgres)
    url = await asyncio.to_thread(server.start)
    try:
        await migrate(url)
        yield url, server
    finally:
        await asyncio.to_thread(server.stop)


def _tell_ready(settings: Settings, screen: Screen) -> None:
    gateway, console = settings.gateway_url(), settings.console_base_url()
    screen.say("ready", f"ready: gateway {gateway}, console {console}", gateway=gateway, console=console)
