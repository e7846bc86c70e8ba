"""A further gateway process: started by `control_plane.fleet.workers`, never by hand.

Its first line of standard input says what to do; standard input ends when its parent does, and so does it, whatever
it is doing just then. That is watched from its first moment on, before anything heavy is imported.
"""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

FAREWELL_S = 0.5
"""How long requests in flight have when the parent is gone."""


def main() -> None:
    """Serve until told to stop, or left alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, and it tells us
    told = json.loads(sys.stdin.buffer.readline())
    leash = Leash()
    threading.Thread(target=leash.hold, name="leash", daemon=True).start()
    _serve(told, int(sys.argv[1]), leash)


class Leash:
    """The parent's end of our standard input."""

    def __init__(self) -> None:
        self._stop: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def ends_with(self, stop: asyncio.Event) -> None:
        """Set `stop` when the parent is gone."""
        self._stop = asyncio.get_running_loop(), stop

    def hold(self) -> None:
        """Wait for the end, say so, and end this process soon after."""
        while os.read(sys.stdin.fileno(), 1):
            pass
        if self._stop is not None:
            loop, stop = self._stop
            loop.call_soon_threadsafe(stop.set)
            time.sleep(FAREWELL_S)
        os._exit(1)


def _serve(told: dict[str, Any], number: int, leash: Leash) -> None:
    import structlog
    import uvloop

    from control_plane.config import load_settings
    from control_plane.logs import configure_logs

    settings = load_settings(**told["settings"])
    configure_logs(settings.log_level)
    structlog.contextvars.bind_contextvars(worker=number)
    uvloop.run(_served(settings, told, number, leash))


async def _served(settings: Any, told: dict[str, Any], number: int, leash: Leash) -> None:  # noqa: ANN401 - Settings, imported late
    from control_plane.ext_authz.serving import checks
    from control_plane.fleet.metrics import Peers
    from control_plane.home import Home
    from control_plane.running import gateway_listeners, key_pair, strict_protocol
    from control_plane.server import listen_beside, serve
    from control_plane.wiring.product import assembled

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    leash.ends_with(stop)
    keys, home, peers = key_pair(settings), Home(settings.home.resolve()), Peers(Path(told["peers"]), number)
    front = listen_beside(str(settings.host), settings.gateway_port)
    mtls = None if settings.mtls_port is None else listen_beside(str(settings.host), settings.mtls_port)
    http_port, strict = settings.ext_authz_http_port, strict_protocol(settings)
    asked = None if http_port is None else listen_beside(settings.ext_authz_host(), http_port)
    async with (
        assembled(settings, home, told["url"], peers=peers) as product, peers.answering(),
        checks(product, asked, keys, strict, is_shared=True) as checking,
    ):
        listeners = [*gateway_listeners(product, front, mtls, keys, strict), *checking.listeners]
        serving = asyncio.create_task(serve(listeners, stop))
        product.start_background()
        if keys is not None:
            product.supervisor.start("tls key pair", keys.follow)
        print("ready", flush=True)  # noqa: T201 - heard by the parent
        await serving


if __name__ == "__main__":
    main()
