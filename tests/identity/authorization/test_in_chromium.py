"""The authorization endpoint in Debian's Chromium: forms that post themselves, foreign forms, impatient people."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import asyncpg
import pytest
import uvicorn
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from identity.service import IdentityProvider
from identity.store.database import Database
from tests.frozen_clock import FrozenClock
from tests.identity.authorization.kit import METER, PAR, as_json, asking, register
from tests.identity.world import PASSWORD, ListRecorder, World, quick_keys
from tests.servers.chromium import chromium

FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
PICTURES = os.environ.get("GRIDWARDEN_PICTURES")
pytestmark = pytest.mark.browser


@dataclass
class App:
    """An application on a site of its own: it keeps what it is told and leads on, after a form to another origin."""

    place: str
    told: list[dict[str, str]] = field(default_factory=list)

    @property
    def callback(self) -> str:
        """Its redirect URI."""
        return f"{self.place}/cb"

    async def hear(self, request: Request) -> Response:
        """Take an answer, by query or form."""
        text = (await request.body()).decode() or request.url.query
        self.told.append({"method": request.method, **dict(parse_qsl(text))})
        elsewhere = self.place.replace("127.0.0.1", "localhost")
        return RedirectResponse(f"{elsewhere if request.method == 'POST' else self.place}/home", 303)

    async def home(self, _: Request) -> Response:
        """Say that the person arrived."""
        return HTMLResponse("<h1 id='home'>home</h1>")

    async def ask(self, request: Request) -> Response:
        """Offer a form that posts an authorization request."""
        inputs = "".join(f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
                         for name, value in request.query_params.items() if name != "to")
        return HTMLResponse(f'<form method="post" action="{escape(request.query_params["to"])}">{inputs}'
                            '<button id="go">go</button></form>')


@dataclass
class Scene:
    """A provider and an application, both served, and a browser."""

    world: World
    place: str
    app: App
    browser: Browser

    def authorize(self, **changes: str) -> str:
        """Return the address of a request."""
        return f"{self.place}/oauth2/authorize?{urlencode(self.asking(**changes))}"

    def asking(self, **changes: str) -> dict[str, str]:
        """Return a request of the application's."""
        return asking("shop", redirect_uri=self.app.callback, **changes)

    async def sign_in(self, page: Page) -> None:
        """Type name and password."""
        await page.locator("#name").fill("alice")
        await page.locator("#password").fill(PASSWORD)
        await page.locator("#sign-in").click()


def door() -> socket.socket:
    """Open a door on loopback."""
    found = socket.socket()
    found.bind(("127.0.0.1", 0))
    return found


async def served(app: ASGIApp, at: socket.socket) -> tuple[uvicorn.Server, asyncio.Task[None]]:
    """Serve an application."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    return server, asyncio.create_task(server.serve([at]))


@pytest.fixture
async def scene(app_pool: asyncpg.Pool, tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Scene]:
    """Both on loopback; for a browser `localhost` and `127.0.0.1` are different sites."""
    our_door, app_door = door(), door()
    place = f"http://localhost:{our_door.getsockname()[1]}"
    app = App(f"http://127.0.0.1:{app_door.getsockname()[1]}")
    recorder = ListRecorder()
    provider = IdentityProvider(Database(app_pool), recorder, clock, issuer=place, keys=quick_keys(tmp_path / "keys"))
    world = World(provider, recorder, clock, app_pool)
    await world.people()
    await register(world, "shop", public=True, first_party=False, redirect_uris=(app.callback,),
                   authorization_details_types=("meter_access",), metadata={"policy_uri": "https://shop.test/privacy"})
    routes = [Route("/cb", app.hear, methods=["GET", "POST"]), Route("/home", app.home), Route("/ask", app.ask)]
    servers = [await served(world.gateway, our_door), await served(Starlette(routes=routes), app_door)]
    async with chromium() as browser:
        yield Scene(world, place, app, browser)
    for server, serving in servers:
        server.should_exit = True
        await serving
    provider.close()


async def test_an_answer_in_a_form_posts_itself_and_the_application_leads_on(scene: Scene) -> None:
    """Form Post Response Mode section 2; the page's CSP hinders neither the post nor the application's redirect."""
    page = await scene.browser.new_page()

    await page.goto(scene.authorize(response_mode="form_post"))
    await scene.sign_in(page)
    await page.locator("#allow").click()

    await expect(page.locator("#home")).to_be_visible()
    assert scene.app.told[0].keys() == {"method", "code", "state", "iss"}
    assert (scene.app.told[0]["method"], scene.app.told[0]["iss"]) == ("POST", scene.place)


async def test_without_scripts_a_person_clicks(scene: Scene) -> None:
    """Login, consent and the answer's form are plain HTML."""
    context = await scene.browser.new_context(java_script_enabled=False, locale="sq")
    page = await context.new_page()

    await page.goto(scene.authorize(response_mode="form_post", authorization_details=as_json([METER])))
    await scene.sign_in(page)
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / "consent-sq.png", full_page=True)
    await page.locator("#allow").click()
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / "form-post-sq.png", full_page=True)
    await page.locator("#continue").click()

    await expect(page.locator("#home")).to_be_visible()
    assert "code" in scene.app.told[0]


async def test_a_form_of_another_site_finds_the_session(scene: Scene) -> None:
    """OIDC Core section 3.1.2.1: POST. SameSite=Lax keeps our cookie from it, and the way around brings it back."""
    page = await scene.browser.new_page()
    await page.goto(scene.authorize())
    await scene.sign_in(page)
    await page.locator("#allow").click()
    await expect(page.locator("#home")).to_be_visible()

    request = scene.asking(prompt="none", state="posted") | {"to": f"{scene.place}/oauth2/authorize"}
    await page.goto(f"{scene.app.place}/ask?{urlencode(request)}")
    await page.locator("#go").click()

    await expect(page.locator("#home")).to_be_visible()
    assert scene.app.told[1].keys() == {"method", "code", "state", "iss"}
    assert scene.app.told[1]["state"] == "posted"


async def test_an_impatient_person_arrives_with_a_code_that_works(scene: Scene) -> None:
    """A double click on *allow* under a pushed request, which serves once (RFC 9126 section 7.3)."""
    pushed = await scene.world.post(PAR, scene.asking())
    reference = urlencode({"client_id": "shop", "request_uri": pushed.json()["request_uri"]})
    page = await scene.browser.new_page()

    await page.goto(f"{scene.place}/oauth2/authorize?{reference}")
    await scene.sign_in(page)
    await page.locator("#allow").dblclick()

    await expect(page.locator("#home")).to_be_visible()
    tokens = await scene.world.redeem(scene.app.told[-1]["code"], client_id="shop", redirect_uri=scene.app.callback)
    assert tokens.status_code == 200


async def test_going_back_after_the_answer_leads_to_the_application_again(scene: Scene) -> None:
    """The back button: no dead end, and no second consent."""
    page = await scene.browser.new_page()
    await page.goto(scene.authorize())
    await scene.sign_in(page)
    consent = page.url
    await page.locator("#allow").click()
    await expect(page.locator("#home")).to_be_visible()

    await page.goto(consent)

    await expect(page.locator("#home")).to_be_visible()
    assert ["code" in told for told in scene.app.told] == [True, True]


async def test_two_tabs_each_come_back_to_where_they_were_going(scene: Scene) -> None:
    """The second tab's login does not spoil the first tab's form."""
    context = await scene.browser.new_context()
    first, second = await context.new_page(), await context.new_page()
    await first.goto(scene.authorize(state="first"))
    await second.goto(scene.authorize(state="second"))

    await scene.sign_in(second)
    await second.locator("#allow").click()
    await expect(second.locator("#home")).to_be_visible()
    await scene.sign_in(first)

    await expect(first.locator("#home")).to_be_visible()
    assert [told["state"] for told in scene.app.told] == ["second", "first"]
