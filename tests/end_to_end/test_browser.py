"""A person in Chromium signs in and sees the chart, an alert and the ledger; on a phone too."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from control_plane.cli.person import Person, SignInRefusedError
from control_plane.demo.instance import Instance
from tests.servers.chromium import chromium

pytestmark = pytest.mark.browser


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


async def _sign_in(page: Page, instance: Instance, name: str) -> list[str]:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(instance.console)
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(instance.passwords[name])
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    return complaints


async def test_a_viewer_sees_the_chart_and_no_more(browser: Browser, instance: Instance) -> None:
    page = await browser.new_page()
    complaints = await _sign_in(page, instance, "vera.viewer")

    await expect(page.locator("#load-chart[data-ready=true] canvas")).to_be_visible()
    await expect(page.locator("#load-state")).to_contain_text("hours")
    assert complaints == []
    await page.get_by_role("link", name="Ledger").click()

    await expect(page.get_by_role("alert")).to_contain_text("grid_viewer")


async def test_an_analyst_sees_why_an_alert_fired(browser: Browser, instance: Instance) -> None:
    for number in range(12):
        async with Person(instance.gateway, address="127.77.0.7") as bot:
            with pytest.raises(SignInRefusedError):
                await bot.sign_in(f"nobody{number}", "wrong-password")
    page = await browser.new_page()
    await _sign_in(page, instance, "sami.soc")

    await page.get_by_role("link", name="Alerts").click()
    await page.get_by_role("link", name="GR-001").first.click()

    await expect(page.get_by_role("heading", name="Why it fired")).to_be_visible()
    await expect(page.get_by_role("heading", name="Raw event").first).to_be_visible()


async def test_an_auditor_verifies_the_ledger(browser: Browser, instance: Instance) -> None:
    page = await browser.new_page()
    complaints = await _sign_in(page, instance, "arta.auditor")

    await page.get_by_role("link", name="Ledger").click()
    await page.get_by_role("button", name="Rehash every entry").click()

    await expect(page.locator("#verification")).to_contain_text("entries rehashed")
    assert complaints == []


async def test_a_refusal_is_explained(browser: Browser, instance: Instance) -> None:
    page = await browser.new_page()
    await _sign_in(page, instance, "ana.analyst")

    await page.goto(f"{instance.console}/ledger")
    await page.get_by_role("link", name="Why was I refused?").click()

    await expect(page.get_by_role("heading", name="Why was this refused?")).to_be_visible()
    await expect(page.get_by_role("code").filter(has_text="ledger.read")).to_be_visible()


async def test_the_console_fits_a_phone(browser: Browser, instance: Instance) -> None:
    page = await browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    await _sign_in(page, instance, "vera.viewer")

    await expect(page.locator("#load-chart[data-ready=true] canvas")).to_be_visible()
    overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    assert overflow <= 0
