"""A real Chromium for tests: Debian's, driven by Playwright."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

from tests.servers.built import missing

_BINARY = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run a browser; without one the test is skipped, in CI it fails."""
    if _BINARY is None:
        missing("no chromium on this machine: apt install chromium")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_BINARY, args=[*_FLAGS, *sandbox])
        yield browser
        await browser.close()
