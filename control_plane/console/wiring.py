"""The console put together: its HTTP client, its registration, its templates."""

import contextlib
from collections.abc import AsyncIterator

import httpx2 as httpx
from starlette.types import ASGIApp

from control_plane.config import Settings
from control_plane.console.application import build
from control_plane.console.console import Console
from control_plane.console.gateway_client import TIMEOUT_S, GatewayClient
from control_plane.console.sign_in import SignIn
from control_plane.first_start import CONSOLE_CLIENT, console_secret
from control_plane.home import Home
from control_plane.tls.contexts import trusting

MAX_CONNECTIONS = 64


@contextlib.asynccontextmanager
async def console_application(settings: Settings, home: Home) -> AsyncIterator[ASGIApp]:
    """Yield the console's ASGI application; its connections to the gateway close with it."""
    gateway, url = settings.gateway_url(), settings.console_base_url()
    secret = console_secret(home)
    limits = httpx.Limits(max_connections=MAX_CONNECTIONS)
    async with httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits, verify=trusting(settings.tls_cert)) as http:
        sign_in = SignIn(gateway, f"{url}/callback", client_id=CONSOLE_CLIENT, client_secret=secret, http=http)
        yield build(Console(url, GatewayClient(gateway, http, CONSOLE_CLIENT, secret), sign_in))
