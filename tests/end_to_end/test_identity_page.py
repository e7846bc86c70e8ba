"""What docs/identity.md shows to developers is executed, in its order, against a running product."""

import asyncio
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.configured import Configured, configured
from tests.enterable import enterable
from tests.page_commands import DOCS, Command, commands
from tests.real_clients.walk import Walker
from tests.servers.certificates import Pair, make_pair
from tests.servers.node import installed

SOMEBODY = "vera.viewer"
PACKAGES = Path(__file__).parents[1] / "real_clients" / "node"
TITLES = re.findall(r"^## (.+)$", (DOCS / "identity.md").read_text(), re.MULTILINE)
LEAST = {"python": 11, "js": 4}
PLACES = {"/oauth2/authorize": "https://portal.example/callback", "/oauth2/logout": "https://portal.example/bye"}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Configured, Pair]]:
    """Run the product with TLS, where the database's own user can reach its home."""
    with tempfile.TemporaryDirectory(prefix="gwpage") as name:
        folder = enterable(Path(name))
        pair = make_pair(folder, "server")
        with configured(folder / "home", TLS_CERT=str(pair.certificate), TLS_KEY=str(pair.key)) as instance:
            yield instance, pair


class Reader:
    """Somebody who types what the page shows, and opens in a browser whatever address is printed."""

    def __init__(self, instance: Configured, pair: Pair, folder: Path) -> None:
        self._instance, self._pair, self._folder = instance, pair, folder
        ca = str(pair.certificate)
        self._known = {
            "ISSUER": instance.gateway, "GRIDWARDEN_HOME": str(instance.home), "TLS_CERT": ca,
            "GRIDWARDEN_PASSWORD": instance.passwords["admin"], "CURL_CA_BUNDLE": ca, "REQUESTS_CA_BUNDLE": ca,
            "SSL_CERT_FILE": ca, "NODE_EXTRA_CA_CERTS": ca}

    async def follow(self, title: str, step: Command) -> None:
        """Run a block, hold it to its promise, and open what it printed."""
        code, last = await asyncio.to_thread(step.run, self._folder, **self._known)
        assert (code, step.promise[1] in last) == (step.promise[0], True), f"{title}: {step.text}\n{code}: {last}"
        if last.startswith(f"{self._instance.gateway}/"):
            await self._open(last)

    async def _open(self, url: str) -> None:
        password = self._instance.passwords[SOMEBODY]
        async with Walker(SOMEBODY, password, trust=self._pair.certificate) as walker:
            path = url.removeprefix(self._instance.gateway).partition("?")[0]
            if path in PLACES:
                self._known["BACK"] = await walker.walk(url, until=PLACES[path])
            else:
                await walker.fill_in(url)


def titles(language: str) -> list[str]:
    """Return the sections that have this language, after the one that registers the clients of all others."""
    return [title for title in TITLES if title == TITLES[0] or language == "python" or any(
        step.language == language for step in commands("identity", title))]


@pytest.mark.parametrize("language", ["python", pytest.param("js", marks=pytest.mark.node)])
async def test_every_example_keeps_its_promise(
    language: str, served: tuple[Configured, Pair], tmp_path: Path,
) -> None:
    if language == "js":
        packages = await asyncio.to_thread(installed, PACKAGES)
        (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    reader = Reader(*served, tmp_path)
    steps = [(title, step) for title in titles(language) for step in commands("identity", title)
             if step.language in {"sh", language}]

    for title, step in steps:
        await reader.follow(title, step)

    assert len([step for _, step in steps if step.language == language]) >= LEAST[language]
