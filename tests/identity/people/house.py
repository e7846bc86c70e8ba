"""The world as seen from the door: logging in step by step, factors, devices, mails."""

import base64
import html
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx

from identity.domain.people import totp
from identity.domain.records import Session
from tests.identity.world import PASSWORD, World, authorization, hidden

SESSION = "__Host-gw_session"
DEVICE = "__Host-gw_device"
STEP = "__Host-gw_step"
MFA = "urn:gridwarden:acr:mfa"
PHR = "urn:gridwarden:acr:phr"


class House(World):
    """A world with a postbox, and the steps of a login."""

    postbox: Any

    async def page(self, browser: httpx.AsyncClient, **changes: str) -> httpx.Response:
        """Return the login page of an authorization request."""
        answer = await browser.get("/oauth2/authorize", params=authorization(**changes))
        return await browser.get(answer.headers["location"])

    async def sign_in(self, browser: httpx.AsyncClient, *, name: str = "alice", password: str = PASSWORD,
                      **headers: str) -> httpx.Response:
        """Log in without an authorization request."""
        return await self.login(browser, await browser.get("/login"), name=name, password=password, **headers)

    async def show(self, browser: httpx.AsyncClient, page: httpx.Response, code: str,
                   **headers: str) -> httpx.Response:
        """Type a code into the page of the second factor."""
        return await browser.post("/login/factor", data={"interaction": hidden(page.text), "code": code},
                                  headers=headers)

    async def second_page(self, browser: httpx.AsyncClient, answer: httpx.Response,
                          **headers: str) -> httpx.Response:
        """Follow a redirect to the page of the second factor."""
        assert "/login/factor?" in answer.headers["location"]
        return await browser.get(answer.headers["location"], headers=headers)

    async def asked(self, browser: httpx.AsyncClient) -> httpx.Response:
        """Log alice in anew, as strongly as she can; answer the page of the second factor."""
        page = await self.page(browser, acr_values=MFA, prompt="login")
        return await self.second_page(browser, await self.login(browser, page))

    async def with_app(self, browser: httpx.AsyncClient) -> tuple[bytes, list[str]]:
        """Let alice, who logs in with this browser, enrol an app; answer its secret and the recovery codes."""
        await self.sign_in(browser)
        begun = await browser.post("/account/factors/totp", data={
            "interaction": hidden((await browser.get("/account/factors")).text)})
        page = await browser.get(begun.headers["location"])
        secret = secret_of(page.text)
        done = await browser.post(begun.headers["location"], data={
            "interaction": hidden(page.text), "name": "Phone", "code": self.code_of(secret)})
        assert done.status_code == 200
        self.clock.advance(60)
        return secret, codes_of(done.text)

    def code_of(self, secret: bytes, steps: int = 0) -> str:
        """Return an app's code, some steps from now."""
        return totp.code_at(secret, self.clock.now_us() // 30_000_000 + steps)

    async def verified_address(self, address: str = "alice@grid.test") -> None:
        """Give alice a verified address."""
        await self.pool.execute("UPDATE identity.users SET email = $1, is_email_verified = true WHERE name = 'alice'",
                                address)

    async def mails(self, template: str) -> list[dict[str, Any]]:
        """Return what the mails of a kind tell."""
        await self.provider.mailing.send_due()
        return [dict(mail.fields) for mail in self.postbox.mails if mail.template == template]

    async def session_of(self, browser: httpx.AsyncClient) -> Session | None:
        """Return a browser's session."""
        return await self.provider.session(browser.cookies.get(SESSION))

    async def is_nobody(self, browser: httpx.AsyncClient) -> bool:
        """Whether the authorization endpoint does not know who this is."""
        answer = await browser.get("/oauth2/authorize", params=authorization(prompt="none"))
        return parse_qs(urlsplit(answer.headers["location"]).query).get("error") == ["login_required"]


def secret_of(page: str) -> bytes:
    """Return the secret an enrolment page shows for typing."""
    text = re.search(r'<code id="secret">([A-Z2-7]+)</code>', page)[1]  # type: ignore[index]
    return base64.b32decode(text)


def codes_of(page: str) -> list[str]:
    """Return the recovery codes of a page."""
    return re.findall(r"<li><code>([^<]+)</code></li>", page)


def options_of(page: str) -> str:
    """Return what the page asks of passkeys."""
    return html.unescape(re.search(r'data-options="([^"]*)"', page)[1])  # type: ignore[index]
