"""Passkeys in Debian's Chromium with its virtual authenticator (WebDriver extension of WebAuthn 3 section 11)."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import uvicorn
from playwright.async_api import Browser, CDPSession, Page, expect

from identity.service import IdentityProvider
from identity.store.database import Database
from tests.frozen_clock import FrozenClock
from tests.identity.people.house import House
from tests.identity.world import PASSWORD, ListRecorder, quick_keys
from tests.servers.chromium import chromium

PICTURES = os.environ.get("GRIDWARDEN_PICTURES")
pytestmark = pytest.mark.browser


@dataclass
class Scene:
    """A served provider and a browser at its door."""

    house: House
    place: str
    browser: Browser

    async def page(self, *, dark: bool = False, width: int = 800) -> tuple[Page, CDPSession]:
        """Open a page in a browser of its own, with the authenticator's controls."""
        context = await self.browser.new_context(
            color_scheme="dark" if dark else "light", viewport={"width": width, "height": 900})
        page = await context.new_page()
        control = await context.new_cdp_session(page)
        await control.send("WebAuthn.enable")
        return page, control

    async def sign_in(self, page: Page) -> None:
        """Type name and password."""
        await page.goto(f"{self.place}/login")
        await page.locator("#name").fill("alice")
        await page.locator("#password").fill(PASSWORD)
        await page.locator("#sign-in").click()

    async def enrolled(self, page: Page, name: str = "Laptop") -> None:
        """Log in and add a passkey."""
        await self.sign_in(page)
        await page.goto(f"{self.place}/account/factors")
        await page.locator("#passkey-name").fill(name)
        await picture(page, "factors")
        await page.locator("#add-passkey").click()
        await expect(page.locator("#recovery-codes li")).to_have_count(10)
        await picture(page, "recovery-codes")


async def picture(page: Page, name: str) -> None:
    """Keep a picture for whoever wants to look."""
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


async def authenticator(control: CDPSession, **changes: Any) -> str:
    """Plug a virtual authenticator in; answer its id."""
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
               "isUserVerified": True, "automaticPresenceSimulation": True} | changes
    answer = await control.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return str(answer["authenticatorId"])


async def moved(one: CDPSession, key: str, other: CDPSession, **changes: Any) -> str:
    """Carry an authenticator with its credentials to another browser, as one carries a security key."""
    found = await one.send("WebAuthn.getCredentials", {"authenticatorId": key})
    there = await authenticator(other, **changes)
    for credential in found["credentials"]:
        await other.send("WebAuthn.addCredential", {"authenticatorId": there, "credential": credential})
    return there


@pytest.fixture
async def scene(app_pool: asyncpg.Pool, tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Scene]:
    """A provider on localhost, where browsers allow passkeys without TLS."""
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    place = f"http://localhost:{door.getsockname()[1]}"
    recorder = ListRecorder()
    provider = IdentityProvider(Database(app_pool), recorder, clock, issuer=place, keys=quick_keys(tmp_path / "keys"))
    house = House(provider, recorder, clock, app_pool)
    await house.people()
    server = uvicorn.Server(uvicorn.Config(house.gateway, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve([door]))
    async with chromium() as browser:
        yield Scene(house, place, browser)
    server.should_exit = True
    await serving
    provider.close()


async def test_a_browser_that_knows_a_passkey_offers_it_and_one_without_any_still_takes_passwords(scene: Scene) -> None:
    page, _ = await scene.page(dark=True, width=390)
    await page.goto(f"{scene.place}/login")
    await picture(page, "login")

    overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    assert await page.locator("#use-passkey").is_visible()
    await scene.sign_in(page)
    await expect(page.get_by_role("heading", name="Welcome, alice")).to_be_visible()


async def test_a_passkey_carried_to_another_browser_signs_in_alone(scene: Scene) -> None:
    page, control = await scene.page()
    key = await authenticator(control)
    await scene.enrolled(page)
    other, there = await scene.page()
    await other.goto(f"{scene.place}/login")
    await moved(control, key, there)

    await other.locator("#use-passkey").click()

    await expect(other.get_by_role("heading", name="Welcome, alice")).to_be_visible()
    login = scene.house.recorder.of("user_login")[-1]
    assert login["grid"]["login"]["method"] == "passkey"
    assert "mfa" in login["grid"]["login"]["amr"]


async def test_a_passkey_is_the_second_factor_after_a_password(scene: Scene) -> None:
    page, control = await scene.page()
    key = await authenticator(control)
    await scene.enrolled(page)
    other, there = await scene.page()
    await scene.sign_in(other)
    await moved(control, key, there)
    await picture(other, "second-factor")

    await other.locator("#use-passkey").click()

    await expect(other.get_by_role("heading", name="Welcome, alice")).to_be_visible()
    login = scene.house.recorder.of("user_login")[-1]["grid"]["login"]
    assert login["method"] == "passkey"
    assert "pwd" in login["amr"]


async def test_a_passkey_does_not_work_at_another_origin(scene: Scene) -> None:
    """The browser itself refuses: the relying party is localhost, the page stands on 127.0.0.1."""
    page, control = await scene.page()
    await authenticator(control)
    await scene.sign_in(page)
    elsewhere = scene.place.replace("localhost", "127.0.0.1")
    await page.goto(f"{elsewhere}/login")

    await page.locator("#use-passkey").click()

    await expect(page.locator("[data-problem]")).to_be_visible()
    await picture(page, "wrong-origin")
    assert [event["grid"]["login"].get("method") for event in scene.house.recorder.of("user_login")] == ["password"]


async def test_nobody_verified_is_refused(scene: Scene) -> None:
    page, control = await scene.page()
    key = await authenticator(control)
    await scene.enrolled(page)
    other, there = await scene.page()
    await other.goto(f"{scene.place}/login")
    await moved(control, key, there, isUserVerified=False)

    await other.locator("#use-passkey").click()

    await expect(other.locator("[data-problem]")).to_be_visible()


async def test_an_app_is_added_without_any_script(scene: Scene) -> None:
    context = await scene.browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = await context.new_page()
    await scene.sign_in(page)
    await page.goto(f"{scene.place}/account/factors")
    assert await page.locator("#add-passkey").is_hidden()
    await page.locator("#add-app").click()
    await expect(page.get_by_role("img", name="The picture to scan")).to_be_visible()
    assert await page.locator("img").bounding_box() is not None
    await picture(page, "app")

    await page.locator("#code").fill("000000")
    await page.locator("#confirm").click()

    await expect(page.get_by_role("alert")).to_contain_text("This code is not right")
