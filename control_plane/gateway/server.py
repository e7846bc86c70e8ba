"""The ASGI server we ship: uvicorn on uvloop with our strict protocol, and none of its guesses about proxies."""

import asyncio

from starlette.types import ASGIApp
from uvicorn import Config

from control_plane.gateway.protocol import StrictProtocol

MAX_WEBSOCKET_MESSAGE = 65_536
GRACE_S = 10


def server_config(
    app: ASGIApp, *, host: str, port: int, protocol: type[asyncio.Protocol] = StrictProtocol,
) -> Config:
    """Return uvicorn's configuration. Forwarded headers are the gateway's to read, so uvicorn must not."""
    return Config(
        app, host=host, port=port, http=protocol, ws="websockets-sansio", loop="uvloop", lifespan="on",
        proxy_headers=False, server_header=False, access_log=False, log_config=None,
        ws_max_size=MAX_WEBSOCKET_MESSAGE, ws_per_message_deflate=False, timeout_graceful_shutdown=GRACE_S,
    )
