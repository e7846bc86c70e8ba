"""From a stranger to an account and back, in Debian's Chromium, with the mail over a real SMTP server."""

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
import uvicorn
from playwright.async_api import Browser, Page, expect

from identity.adapters.smtp import Smtp, SmtpServer
from identity.service import IdentityProvider
from identity.store.database import Database
from tests.frozen_clock import FrozenClock
from tests.identity.people.mail_server import Keeper, serving
from tests.identity.people.town import ADDRESS
from tests.identity.world import PASSWORD, ListRecorder, World, quick_keys
from tests.servers.chromium import chromium

FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
PICTURES = os.environ.get("GRIDWARDEN_PICTURES")
pytestmark = pytest.mark.browser


@dataclass
class Scene:
    """A served provider, its mail server, and a browser."""

    world: World
    place: str
    browser: Browser
    keeper: Keeper

    async def page(self, *, dark: bool = False, width: int = 1_100, language: str = "en") -> Page:
        """Open a page in a browser of its own."""
        context = await self.browser.new_context(
            color_scheme="dark" if dark else "light", viewport={"width": width, "height": 900}, locale=language)
        return await context.new_page()

    async def sign_in(self, page: Page, name: str) -> None:
        """Type name and password."""
        await page.goto(f"{self.place}/login")
        await page.locator("#name").fill(name)
        await page.locator("#password").fill(PASSWORD)
        await page.locator("#sign-in").click()
        await page.wait_for_url(f"{self.place}/login")

    async def link(self) -> str:
        """Send what waits, and return the link of the newest mail."""
        await self.world.provider.mailing.send_due()
        text = self.keeper.messages[-1].get_body(("plain",))
        assert text is not None
        return str(re.findall(r"https?://\S+token=\S+", text.get_content())[0])


async def picture(page: Page, name: str) -> None:
    """Keep a picture for whoever wants to look."""
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


@pytest.fixture
async def scene(app_pool: asyncpg.Pool, tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Scene]:
    """A provider on loopback with open registration and a mail server beside it."""
    door, keeper = socket.socket(), Keeper()
    door.bind(("127.0.0.1", 0))
    place, recorder = f"http://localhost:{door.getsockname()[1]}", ListRecorder()
    async with serving(keeper) as port, chromium() as browser:
        smtp = Smtp(SmtpServer.from_url(f"smtp://127.0.0.1:{port}"), sender="noreply@grid.test")
        provider = IdentityProvider(Database(app_pool), recorder, clock, issuer=place,
                                    keys=quick_keys(tmp_path / "keys"), mail=smtp, people_registration=True)
        world = World(provider, recorder, clock, app_pool)
        await world.people()
        server = uvicorn.Server(uvicorn.Config(world.gateway, log_level="error", lifespan="off"))
        task = asyncio.create_task(server.serve([door]))
        yield Scene(world, place, browser, keeper)
        server.should_exit = True
        await task
        provider.close()
        smtp.close()


async def test_register_mail_verify_sign_in_account_end_session(scene: Scene) -> None:
    page, phone = await scene.page(), await scene.page(width=390, dark=True)
    await page.goto(f"{scene.place}/register")
    await picture(page, "register")
    await page.locator("#name").fill("ada")
    await page.locator("#email").fill(ADDRESS)
    await page.locator("#password").fill("password1234")
    await page.locator("#register").click()
    await expect(page.locator("#failure")).to_contain_text("tried first")
    await picture(page, "register-refused")
    await page.locator("#password").fill(PASSWORD)
    await page.locator("#register").click()
    await expect(page.locator("#sentence")).to_contain_text(ADDRESS)

    await phone.goto(await scene.link())
    await picture(phone, "verify-dark-narrow")
    await phone.locator("#password").fill(PASSWORD)
    await phone.locator("#verify").click()
    await expect(phone.locator("#sentence")).to_contain_text("active")

    await scene.sign_in(page, "ada")
    await scene.sign_in(phone, "ada")
    await page.goto(f"{scene.place}/account")
    await expect(page.locator("#current-email")).to_contain_text(ADDRESS)
    await picture(page, "account")
    await page.locator("#end-others").click()
    await expect(page.locator("#notice")).to_contain_text("have ended")
    await phone.goto(f"{scene.place}/account")
    await expect(phone.locator("#sign-in")).to_be_visible()


@pytest.mark.parametrize(("language", "dark", "width"), [("en", False, 1_100), ("sq", True, 390), ("sq", False, 768)])
async def test_no_page_is_wider_than_its_screen(scene: Scene, language: str, width: int, *, dark: bool) -> None:
    await scene.world.provider.create_user("root.one", PASSWORD, roles=frozenset({"admin"}))
    page = await scene.page(language=language, dark=dark, width=width)
    paths = ["/register", "/reset-password"]
    await scene.sign_in(page, "root.one")
    paths += ["/account", "/people", f"/people/users/{scene.world.user.id}", "/people/roles", "/people/clients",
              "/people/clients/third"]
    for path in paths:
        await page.goto(f"{scene.place}{path}")
        await picture(page, f"{language}-{width}-{path.strip('/').replace('/', '-')[:24]}")
        overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, path
        assert await page.locator("html").get_attribute("lang") == language


async def test_the_language_switch_stays_on_the_page(scene: Scene) -> None:
    page = await scene.page()
    await scene.sign_in(page, "alice")
    await page.goto(f"{scene.place}/account")

    await page.get_by_role("button", name="Shqip").click()

    await expect(page).to_have_url(f"{scene.place}/account")
    await expect(page.get_by_role("heading", name="Llogaria e alice")).to_be_visible()
