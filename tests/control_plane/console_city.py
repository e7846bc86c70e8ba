"""A small real gateway for the console: an OpenID provider with an ES256 key, and an API that answers as it is told."""

import hashlib
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2 as httpx
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from control_plane.console.application import build
from control_plane.console.console import Console
from control_plane.console.gateway_client import GatewayClient
from control_plane.console.sign_in import SignIn
from tests.control_plane.console_answers import ANSWERS

GATEWAY = "http://gateway.test"
CONSOLE = "http://console.test"
CLIENT, SECRET = "gridwarden-console", "the-console-secret-nobody-sees"


def problem(status: int, detail: str, **members: Any) -> Response:
    """Return a problem as the real gateway renders one."""
    body = {"type": "urn:gridwarden:problem:x", "title": {403: "Forbidden", 404: "Not Found"}.get(status, "Problem"),
            "status": status, "detail": detail, "request_id": "0199-req", **members}
    return JSONResponse(body, status, media_type="application/problem+json")


class FakeGateway:
    """Signs people in at once; remembers what was asked; answers from a table that tests change."""

    def __init__(self, url: str = GATEWAY) -> None:
        self.url = url
        self.key = ECKey.generate_key("P-256", {"kid": "one"})
        self.signing_key = self.key
        self.answers: dict[str, Any] = dict(ANSWERS)
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.access, self.refresh, self.issued = "", "", 0
        self.refreshes = 0
        self.is_down = False
        self.claims: dict[str, Any] = {}
        self.redirect: dict[str, str] = {}
        self.app = Starlette(routes=[
            Route("/oauth2/authorize", self.authorize), Route("/oauth2/token", self.token, methods=["POST"]),
            Route("/oauth2/jwks", self.jwks), Route("/oauth2/logout", self.logout),
            Route("/.well-known/openid-configuration", self.metadata),
            Route("/oauth2/introspect", self.introspect, methods=["POST"]),
            Route("/api/{path:path}", self.api, methods=["GET", "POST", "DELETE"]),
        ])

    async def authorize(self, request: Request) -> Response:
        """Sign vera in without asking."""
        query = dict(request.query_params)
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        back = {"code": code, "state": query["state"], "iss": self.url} | self.redirect
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode({k: v for k, v in back.items() if v})}", 303)

    async def token(self, request: Request) -> Response:
        """Redeem a code with its verifier, or a refresh token exactly once."""
        form = {k: v[0] for k, v in parse_qs((await request.body()).decode()).items()}
        asked = self.codes.pop(form.get("code", ""), None)
        if form["grant_type"] == "client_credentials":
            return JSONResponse({"access_token": machine_token(form["scope"]), "token_type": "Bearer"})
        if form["grant_type"] == "refresh_token":
            self.refreshes += 1
            if form["refresh_token"] != self.refresh:
                self.access = self.refresh = "dead"
                return JSONResponse({"error": "invalid_grant"}, 400)
            return JSONResponse(self.fresh_tokens())
        if asked is None or _challenge(form["code_verifier"]) != asked["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "sub": "u-1", "nonce": asked["nonce"], "exp": now + 300, "iat": now,
                  "preferred_username": "vera <viewer>"} | self.claims
        return JSONResponse(self.fresh_tokens() | {
            "id_token": jwt.encode({"alg": "ES256", "kid": "one"}, claims, self.signing_key)})

    def fresh_tokens(self) -> dict[str, Any]:
        """Issue the next pair."""
        self.issued += 1
        self.access, self.refresh = f"secret-access-{self.issued}", f"secret-refresh-{self.issued}"
        return {"access_token": self.access, "refresh_token": self.refresh, "token_type": "Bearer", "expires_in": 300}

    async def jwks(self, _: Request) -> Response:
        """Serve the public key."""
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def logout(self, request: Request) -> Response:
        """Go back at once."""
        return RedirectResponse(request.query_params["post_logout_redirect_uri"], 303)

    async def metadata(self, _: Request) -> Response:
        """Tell the endpoints."""
        return JSONResponse({"issuer": self.url, "token_endpoint": f"{self.url}/oauth2/token"})

    async def introspect(self, request: Request) -> Response:
        """Know the newest token alone, and tell which client asked."""
        form = {k: v[0] for k, v in parse_qs((await request.body()).decode()).items()}
        client = b64decode(request.headers["authorization"].partition(" ")[2]).decode().partition(":")[0]
        return JSONResponse({"active": form.get("token") == self.access, "asked_by": client})

    async def api(self, request: Request) -> Response:
        """Answer a request that carries the newest token."""
        body = await request.body()
        self.asked.append((request.method, request.url.path, dict(request.headers), body))
        if request.headers.get("authorization") != f"Bearer {self.access}":
            return problem(401, "the token is expired")
        answer = self.answers.get(f"{request.method} {request.url.path}")
        if callable(answer) and not isinstance(answer, Response):
            answer = answer(request)
        if answer is None:
            return problem(404, "there is nothing at this path")
        return answer if isinstance(answer, Response) else JSONResponse(answer)

    def posted(self, path: str) -> bytes:
        """Return the last body posted to a path."""
        return next(body for method, asked, _, body in reversed(self.asked) if (method, asked) == ("POST", path))


class _Wire(httpx.AsyncBaseTransport):
    """Reaches the fake gateway, or nobody when it is down."""

    def __init__(self, gateway: FakeGateway) -> None:
        self._gateway = gateway
        self._asgi = httpx.ASGITransport(gateway.app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on."""
        if self._gateway.is_down:
            raise httpx.ConnectError("refused")
        return await self._asgi.handle_async_request(request)


class City:
    """The console before a fake gateway, and one person's browser."""

    def __init__(self, url: str = CONSOLE) -> None:
        self.url = url
        self.gateway = FakeGateway()
        self.wire = _Wire(self.gateway)
        http = httpx.AsyncClient(transport=self.wire)
        sign_in = SignIn(GATEWAY, f"{url}/callback", client_id=CLIENT, client_secret=SECRET, http=http)
        self.console = Console(url, GatewayClient(GATEWAY, http, CLIENT, SECRET), sign_in)
        self.app = build(self.console)
        self.browser = self.new_browser()

    def new_browser(self) -> httpx.AsyncClient:
        """Return a browser with an empty cookie jar; it does not follow redirects by itself."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=self.url)

    async def at_gateway(self, url: str) -> httpx.Response:
        """Follow a redirect to the gateway."""
        async with httpx.AsyncClient(transport=self.wire) as client:
            return await client.get(url)

    async def sign_in(self, then: str = "/grid") -> httpx.Response:
        """Sign in; return the answer that ends it."""
        begun = await self.browser.get("/sign-in", params={"then": then})
        answered = await self.at_gateway(begun.headers["location"])
        return await self.browser.get(answered.headers["location"])

    async def form_token(self) -> str:
        """Return the form token of this browser's session."""
        page = await self.browser.get("/signed-in-or-not")
        return page.text.split('name="form_token" value="', 1)[1].split('"', 1)[0]

    async def submit(self, path: str, **fields: str) -> httpx.Response:
        """Send a form with its token."""
        return await self.browser.post(path, data={"form_token": await self.form_token(), **fields})


def machine_token(scope: str) -> str:
    """Return an unsigned token that tells its scope."""
    header, claims = (urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
                      for text in ('{"typ": "at+jwt"}', f'{{"scope": "{scope}"}}'))
    return f"{header}.{claims}.c2ln"


def refusing(status: int, detail: str, **members: Any) -> Callable[[Request], Response]:
    """Return an answer that refuses."""
    return lambda _request: problem(status, detail, **members)


def parameters(url: str) -> dict[str, str]:
    """Return the query of a URL."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
