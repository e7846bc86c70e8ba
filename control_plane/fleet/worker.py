"""A further gateway process: started by `control_plane.fleet.workers`, never by hand.

Its first line of standard input says what to do; standard input ends when its parent does, and so does it.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import structlog
import uvloop

from control_plane.config import Settings, load_settings
from control_plane.fleet.metrics import Peers
from control_plane.home import Home
from control_plane.logs import configure_logs
from control_plane.running import gateway_listeners, key_pair
from control_plane.server import serve
from control_plane.wiring.product import assembled

FAREWELL_S = 0.5
"""How long requests in flight have when the parent is gone."""


def main() -> None:
    """Serve until told to stop, or left alone."""
    told = json.loads(sys.stdin.buffer.readline())
    settings, number = load_settings(**told["settings"]), int(sys.argv[1])
    configure_logs(settings.log_level)
    structlog.contextvars.bind_contextvars(worker=number)
    uvloop.run(_serve(settings, told, number))


async def _serve(settings: Settings, told: dict[str, Any], number: int) -> None:
    stop = await _ended_with_parent()
    keys = key_pair(settings)
    sockets = {name: socket.socket(fileno=fd) for name, fd in told["sockets"].items()}
    peers, home = Peers(Path(told["peers"]), number), Home(settings.home.resolve())
    async with assembled(settings, home, told["url"], peers=peers) as product, peers.answering():
        listeners = gateway_listeners(product, sockets["gateway"], sockets.get("mtls"), keys)
        serving = asyncio.create_task(serve(listeners, stop))
        product.start_background()
        if keys is not None:
            product.supervisor.start("tls key pair", keys.follow)
        print("ready", flush=True)  # noqa: T201 - heard by the parent
        await serving


async def _ended_with_parent() -> asyncio.Event:
    """Return what is set when this process shall stop; without a parent it ends soon, whatever it still does."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C reaches the parent too, and it tells us

    class Leash(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
            stop.set()
            loop.call_later(FAREWELL_S, os._exit, 1)

    await loop.connect_read_pipe(Leash, sys.stdin)
    return stop


if __name__ == "__main__":
    main()
