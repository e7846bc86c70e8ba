"""The console has one name and one spelling of each path, as the gateway has."""

import httpx2 as httpx
import pytest

from control_plane.console.front import Front
from tests.control_plane.console_city import City


def _client(city: City, url: str | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(city.app), base_url=url or city.url)


@pytest.mark.parametrize("path", [
    "/static%2fconsole.css", "//alerts", "/static/..%2f..%2fetc/passwd", "/alerts;x", "/alerts%00",
    "/%61lerts", "/alerts%0a",
])
async def test_a_path_with_another_spelling_is_refused(city: City, path: str) -> None:
    async with _client(city) as client:
        answer = await client.get(httpx.URL(city.url).copy_with(raw_path=path.encode()))

    assert answer.status_code == 400
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("host", ["evil.test", "console.test.evil.test", "console.test:81", "127.0.0.1", ""])
async def test_a_name_that_is_not_the_console_s_reaches_no_page(city: City, host: str) -> None:
    async with _client(city) as client:
        answer = await client.get("/sign-in", headers={"Host": host})

    assert answer.status_code == 421
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["console.test", "CONSOLE.test", "console.test:80"])
async def test_the_console_s_own_name_may_be_spelled_with_its_port(city: City, host: str) -> None:
    async with _client(city) as client:
        assert (await client.get("/signed-out", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(("url", "good"), [
    ("https://console.test", b"console.test:443"), ("http://127.0.0.1:8080", b"127.0.0.1:8080"),
    ("http://[::1]:8080", b"[::1]:8080"),
])
def test_every_kind_of_address_has_its_spelling(url: str, good: bytes) -> None:
    front = Front(lambda *_: None, issuer="http://gateway.test", url=url, is_https=False)  # type: ignore[arg-type]

    assert front.answers_to(good)
    assert not front.answers_to(good + b"0")
