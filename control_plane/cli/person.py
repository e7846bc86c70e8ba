"""A person at a terminal: walks the provider's own pages (authorization code with PKCE) and holds the tokens."""

import base64
import hashlib
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx2 as httpx

from control_plane.tls.contexts import trusting
from shared_kernel.errors import GridwardenError
from shared_kernel.ids import secret

CLIENT_ID = "gridwarden-cli"
REDIRECT_URI = "http://127.0.0.1/callback"
SCOPE = "openid profile api"
_MAX_PAGES = 6


class SignInRefusedError(GridwardenError):
    """The provider did not let this person in."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was not signed in: check the name and the password")


class GatewaySilentError(GridwardenError):
    """Nothing answers at the gateway's URL."""

    def __init__(self, url: str) -> None:
        super().__init__(f"nothing answers at {url}: start the gateway with `gridwarden up`, or name another --gateway")


@dataclass(slots=True)
class Form:
    """An HTML form: where it goes and what it already holds."""

    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.form: Form | None = None
        self._is_open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and self.form is None:
            self.form, self._is_open = Form(given.get("action", "")), True
        elif tag in {"input", "button"} and self._is_open and self.form is not None and given.get("name"):
            self.form.fields.setdefault(given["name"], given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_open = False


class Person:
    """One person's user agent; `address` is the local address requests come from, `trust` a certificate to believe."""

    def __init__(self, gateway: str, *, address: str | None = None, user_agent: str = "gridwarden-cli",
                 trust: Path | None = None) -> None:
        transport = httpx.AsyncHTTPTransport(local_address=address, verify=trusting(trust))
        self.gateway = gateway.rstrip("/")
        self._origin = "{0.scheme}://{0.netloc}".format(urlsplit(gateway))
        self.tokens: dict[str, Any] = {}
        self._http = httpx.AsyncClient(transport=transport, timeout=30, headers={"user-agent": user_agent})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        await self._http.aclose()

    async def sign_in(self, name: str, password: str) -> None:
        """Sign in through the login page; raise SignInRefusedError when the provider says no."""
        verifier = secret() + secret()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode({
            "response_type": "code", "client_id": CLIENT_ID, "redirect_uri": REDIRECT_URI, "scope": SCOPE,
            "state": secret(), "code_challenge": challenge, "code_challenge_method": "S256",
        })
        code = await self._code(f"{self.gateway}/oauth2/authorize?{query}", name, password)
        answer = await self._send("POST", f"{self.gateway}/oauth2/token", data={
            "grant_type": "authorization_code", "code": code, "code_verifier": verifier,
            "redirect_uri": REDIRECT_URI, "client_id": CLIENT_ID,
        })
        if not answer.is_success:
            raise SignInRefusedError(name)
        self.tokens = answer.json()

    async def ask(self, method: str, path: str, *, purpose: str | None = None, body: Any = None) -> httpx.Response:  # noqa: ANN401 - any JSON
        """Call the gateway with this person's token."""
        headers = {"authorization": f"Bearer {self.tokens['access_token']}"} if self.tokens else {}
        if purpose:
            headers["access-purpose"] = purpose
        return await self._send(method, f"{self._origin}{path}", headers=headers, json=body)

    async def _code(self, url: str, name: str, password: str) -> str:
        """Follow redirects and answer the login form once, until the redirect URI shows the code."""
        response, has_answered = await self._send("GET", url), False
        for _ in range(_MAX_PAGES):
            if response.is_redirect:
                target = urljoin(str(response.url), response.headers["location"])
                if target.startswith(REDIRECT_URI):
                    codes = parse_qs(urlsplit(target).query).get("code")
                    if codes:
                        return codes[0]
                    break
                response = await self._send("GET", target)
                continue
            reader = _FormReader()
            reader.feed(response.text)
            if reader.form is None or has_answered:
                break
            fields = reader.form.fields | {"name": name, "password": password}
            response = await self._send("POST", urljoin(str(response.url), reader.form.action), data=fields)
            has_answered = True
        raise SignInRefusedError(name)

    async def _send(self, method: str, url: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own arguments
        try:
            return await self._http.request(method, url, **request)
        except httpx.HTTPError as cause:
            raise GatewaySilentError(self.gateway) from cause
