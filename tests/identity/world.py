"""A provider behind a small gateway that authenticates and puts the context, as the real one does."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx2 as httpx
from argon2 import PasswordHasher
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from identity.adapters.key_files import _RINGS, KeyFiles
from identity.domain.jose.algorithms import ALGORITHMS
from identity.domain.oauth.pkce import challenge_of
from identity.domain.records import User
from identity.http import endpoints
from identity.service import IdentityProvider, Registration
from identity.service.people.passwords import Passwords
from shared_kernel.context import RequestContext, put_context
from shared_kernel.credentials import Credentials
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import GridwardenError, UnauthenticatedError, UnavailableError
from shared_kernel.events import Event, Receipt
from shared_kernel.principal import ANONYMOUS
from tests.conftest import START_US
from tests.frozen_clock import FrozenClock

ISSUER = "https://id.grid.test"
CALLBACK = "https://app.grid.test/callback"
FAREWELL = "https://app.grid.test/bye"
PASSWORD = "correct horse battery staple"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
QUICK_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_STATUS = {"invalid-input": 400, "oauth": 400, "invalid-token": 401, "unauthenticated": 401, "forbidden": 403,
           "not-found": 404, "conflict": 409, "unprocessable": 422, "too-many-requests": 429, "unavailable": 503}


@cache
def _made_rings() -> bytes:
    with TemporaryDirectory() as folder:
        KeyFiles(Path(folder))._with(START_US, tuple(ALGORITHMS))
        return (Path(folder) / _RINGS).read_bytes()


def quick_keys(folder: Path) -> KeyFiles:
    """Return the keys in a folder, at first those that were made once a process: RSA keys take long to make."""
    keys, rings = KeyFiles(folder), folder / _RINGS
    if not rings.exists():
        rings.touch(mode=0o600)
        rings.write_bytes(_made_rings())
    return keys


def quick_passwords() -> Passwords:
    """Hash with the least memory argon2 takes: a test waits for answers, not for work that slows attackers."""
    return Passwords(QUICK_HASHER)


class ListRecorder:
    """A ledger that keeps a list, and can be broken."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.is_down = False

    async def record(self, event: Event) -> Receipt:
        """Seal one event."""
        if self.is_down:
            raise UnavailableError("the ledger is down")
        self.events.append(event)
        return Receipt(len(self.events) - 1, b"")

    def of(self, action: str) -> list[Event]:
        """Return the events of one action."""
        return [event for event in self.events if event["event"]["action"] == action]


class Gateway:
    """Authenticates, puts the context, renders errors."""

    def __init__(self, app: ASGIApp, provider: IdentityProvider, served: Iterable[Endpoint]) -> None:
        self.own_credentials = [(e.method, compile_path(e.path)[0]) for e in served if e.own_credentials]
        self.app = app
        self.provider = provider
        self.certificate: bytes | None = None
        self.context = RequestContext(request_id="r-1", source_ip="192.0.2.7", user_agent="tests")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            request = Request(scope)
            try:
                credentials = Credentials(
                    request.headers.get("authorization"), request.method, ISSUER + request.url.path,
                    tuple(request.headers.getlist("dpop")), self.certificate)
                is_own = any(method == request.method and path.match(request.url.path)
                             for method, path in self.own_credentials)
                principal = ANONYMOUS if is_own else await self.provider.authenticate(credentials)
            except UnauthenticatedError as error:
                refusal = JSONResponse({"detail": error.detail}, 401, getattr(error, "headers", None))
                await refusal(scope, receive, send)
                return
            address = request.headers.get("x-test-address", self.context.source_ip)
            put_context(scope, replace(
                self.context, principal=principal, source_ip=address, credentials=credentials))
        await self.app(scope, receive, send)


async def _problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, GridwardenError):
        raise error
    return JSONResponse({"kind": error.kind, "detail": error.detail}, _STATUS[error.kind])


class World:
    """Everything a test needs, and the steps of the story."""

    def __init__(self, provider: IdentityProvider, recorder: ListRecorder, clock: FrozenClock,
                 pool: asyncpg.Pool) -> None:
        self.provider = provider
        self.recorder = recorder
        self.clock = clock
        self.pool = pool
        served = endpoints(provider)
        app = Starlette(
            routes=[Route(e.path, e.handler, methods=[e.method]) for e in served],
            exception_handlers={GridwardenError: _problem})
        self.gateway = Gateway(app, provider, served)
        self.user: User
        self.secret = ""

    def browser(self) -> httpx.AsyncClient:
        """Return a client with a cookie jar of its own."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.gateway), base_url=ISSUER)

    async def people(self) -> None:
        """Create alice, a public app, a confidential app, a third-party app and a machine."""
        self.user = await self.provider.create_user("alice", PASSWORD, roles=frozenset({"grid_viewer"}))
        await self.provider.ensure_client("app", redirect_uris=[CALLBACK], post_logout_redirect_uris=[FAREWELL],
                                          first_party=True)
        await self.provider.ensure_client("web", redirect_uris=[CALLBACK], first_party=True, secret="s+e:c r%et" * 5)
        await self.provider.ensure_client("third", redirect_uris=[CALLBACK], name="Third <b>Party</b>")
        _, secret = await self.provider.create_client(Registration(
            "machine", "Machine", grant_types=frozenset({"client_credentials"}), scopes=frozenset({"read", "write"}),
            roles=frozenset({"service"})))
        self.secret = secret or ""

    async def login(self, browser: httpx.AsyncClient, page: httpx.Response, *, name: str = "alice",
                    password: str = PASSWORD, **headers: str) -> httpx.Response:
        """Fill in the login form of a page."""
        fields = {"interaction": hidden(page.text), "name": name, "password": password}
        return await browser.post("/login", data=fields, headers=headers)

    async def code(self, **changes: str) -> str:
        """Return a fresh authorization code for alice."""
        async with self.browser() as client:
            return await self.code_in(client, **changes)

    async def code_in(self, browser: httpx.AsyncClient, **changes: str) -> str:
        """Return a fresh authorization code, logging in when asked to."""
        answer = await browser.get("/oauth2/authorize", params=authorization(**changes))
        if "/login" in answer.headers["location"]:
            answer = await self.login(browser, await browser.get(answer.headers["location"]))
        return parameter(answer, "code")

    async def redeem(self, code: str, **changes: str) -> httpx.Response:
        """Redeem a code as the public app."""
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK,
                  "code_verifier": VERIFIER, "client_id": "app"} | changes
        return await self.post("/oauth2/token", {k: v for k, v in fields.items() if v})

    async def tokens(self, **changes: str) -> dict[str, Any]:
        """Return the token answer for a fresh login."""
        answer = await self.redeem(await self.code(**changes))
        found: dict[str, Any] = answer.json()
        return found

    async def refresh(self, token: str, **changes: str) -> httpx.Response:
        """Refresh as the public app."""
        return await self.post("/oauth2/token", {
            "grant_type": "refresh_token", "refresh_token": token, "client_id": "app"} | changes)

    async def post(self, path: str, fields: Any = None, **kwargs: Any) -> httpx.Response:
        """Post a form without cookies."""
        async with self.browser() as client:
            return await client.post(path, data=fields, **kwargs)

    async def get(self, path: str, **kwargs: Any) -> httpx.Response:
        """Get without cookies."""
        async with self.browser() as client:
            return await client.get(path, **kwargs)

    async def userinfo(self, access_token: str) -> httpx.Response:
        """Ask who the token is about."""
        return await self.get("/oauth2/userinfo", headers={"Authorization": f"Bearer {access_token}"})


def authorization(**changes: str) -> dict[str, str]:
    """Return a valid authorization request; an empty value leaves the parameter out."""
    wanted = {"response_type": "code", "client_id": "app", "redirect_uri": CALLBACK, "scope": "openid profile",
              "state": "xyz", "nonce": "n-0S6", "code_challenge": challenge_of(VERIFIER),
              "code_challenge_method": "S256"} | changes
    return {name: value for name, value in wanted.items() if value}


def hidden(html: str) -> str:
    """Return the form's hidden field."""
    return html.split('name="interaction" value="', 1)[1].split('"', 1)[0]


def parameter(answer: httpx.Response, name: str) -> str:
    """Return a parameter of the redirect's query."""
    return parse_qs(urlsplit(answer.headers["location"]).query)[name][0]


def has_parameter(answer: httpx.Response, name: str) -> bool:
    """Whether the redirect carries that parameter."""
    return name in parse_qs(urlsplit(answer.headers["location"]).query)
