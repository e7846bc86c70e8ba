"""A person at a terminal: walks the provider's own pages (authorization code with PKCE) and holds the tokens."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx2 as httpx

from control_plane.origins import origin_of
from control_plane.tls.contexts import trusting
from shared_kernel.errors import GridwardenError
from shared_kernel.ids import secret

CLIENT_ID = "gridwarden-cli"
REDIRECT_URI = "http://127.0.0.1/callback"
SCOPE = "openid profile api"
_MAX_PAGES = 10


class SignInRefusedError(GridwardenError):
    """The provider did not let this person in."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was not signed in: check the name and the password")


class CodeNeededError(GridwardenError):
    """The password is right; a second factor is due, and there is no code to show for it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} needs a second factor: give a code of the authenticator app, a recovery code or the "
                         "mailed code with --code or GRIDWARDEN_CODE, or sign in from a terminal, which asks for it; "
                         "a passkey works in a browser alone")


class CodeRefusedError(GridwardenError):
    """The second factor was not right."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was not signed in: the code is not right, was used before, or is too old")


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
        self.forms: list[Form] = []
        self._is_open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
            self._is_open = True
        elif tag in {"input", "button"} and self._is_open and given.get("name"):
            self.forms[-1].fields.setdefault(given["name"], given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_open = False


@dataclass(slots=True)
class _Answers:
    """What a person answers to the pages of a login, each page once."""

    name: str
    password: str
    code: Callable[[], str | None]
    _given: set[str] = field(default_factory=set)

    def to(self, page: str) -> Form:
        """Return the page's form, filled in; raise when there is nothing (more) to answer."""
        reader = _FormReader()
        reader.feed(page)
        for wanted, answer in (("password", self._password), ("mail", self._mail), ("code", self._factor)):
            form = next((each for each in reader.forms if wanted in each.fields), None)
            if form is not None:
                again = wanted in self._given
                self._given.add(wanted)
                return Form(form.action, form.fields | answer(again=again))
        if any("credential" in each.fields for each in reader.forms):
            raise CodeNeededError(self.name)
        raise SignInRefusedError(self.name)

    def _password(self, *, again: bool) -> dict[str, str]:
        if "code" in self._given:
            raise CodeRefusedError(self.name)
        if again:
            raise SignInRefusedError(self.name)
        return {"name": self.name, "password": self.password}

    def _mail(self, *, again: bool) -> dict[str, str]:
        if again:
            raise SignInRefusedError(self.name)
        return {}

    def _factor(self, *, again: bool) -> dict[str, str]:
        if again:
            raise CodeRefusedError(self.name)
        code = self.code()
        if not code:
            raise CodeNeededError(self.name)
        return {"code": code}


class Person:
    """One person's user agent; `address` is the local address requests come from, `trust` a certificate to believe."""

    def __init__(self, gateway: str, *, address: str | None = None, user_agent: str = "gridwarden-cli",
                 trust: Path | None = None) -> None:
        transport = httpx.AsyncHTTPTransport(local_address=address, verify=trusting(trust))
        self.gateway = gateway.rstrip("/")
        self._origin = origin_of(gateway)
        self.tokens: dict[str, Any] = {}
        self._http = httpx.AsyncClient(transport=transport, timeout=30, headers={"user-agent": user_agent})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        await self._http.aclose()

    async def sign_in(self, name: str, password: str, *, code: Callable[[], str | None] = lambda: None) -> None:
        """Sign in through the login page; raise SignInRefusedError when the provider says no.

        `code` is asked for the code of a second factor, once and only when one is due.
        """
        verifier = secret() + secret()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode({
            "response_type": "code", "client_id": CLIENT_ID, "redirect_uri": REDIRECT_URI, "scope": SCOPE,
            "state": secret(), "code_challenge": challenge, "code_challenge_method": "S256",
        })
        granted = await self._code(f"{self.gateway}/oauth2/authorize?{query}", _Answers(name, password, code))
        answer = await self._send("POST", f"{self.gateway}/oauth2/token", data={
            "grant_type": "authorization_code", "code": granted, "code_verifier": verifier,
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

    async def _code(self, url: str, answers: "_Answers") -> str:
        """Follow redirects and answer each form once, until the redirect URI shows the code."""
        response = await self._send("GET", url)
        for _ in range(_MAX_PAGES):
            if not response.is_redirect:
                form = answers.to(response.text)
                response = await self._send("POST", urljoin(str(response.url), form.action), data=form.fields)
                continue
            target = urljoin(str(response.url), response.headers["location"])
            if not target.startswith(REDIRECT_URI):
                response = await self._send("GET", target)
                continue
            codes = parse_qs(urlsplit(target).query).get("code")
            if codes:
                return codes[0]
            break
        raise SignInRefusedError(answers.name)

    async def _send(self, method: str, url: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own arguments
        try:
            return await self._http.request(method, url, **request)
        except httpx.HTTPError as cause:
            raise GatewaySilentError(self.gateway) from cause
