"""The authorization endpoint: what is refused to the browser's face, and what is told to the client."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.domain.oauth.redirect_uris import is_registered, may_be_registered
from tests.identity.world import CALLBACK, ISSUER, World, authorization, has_parameter, parameter

REGISTERED = ("https://app.grid.test/callback", "http://127.0.0.1/cb", "http://[::1]:4000/cb", "com.grid.app:/cb")


@pytest.mark.parametrize("uri", [
    "https://app.grid.test/callback/", "https://app.grid.test/Callback", "https://APP.grid.test/callback",
    "https://app.grid.test/callback?x=1", "https://app.grid.test/callback#", "https://app.grid.test/callback#f",
    "https://app.grid.test/x/../callback", "https://app.grid.test/%63allback", "https://app.grid.test/%2e/callback",
    "https://app.grid.test//callback", "https://user@app.grid.test/callback", "https://app.grid.test:443/callback",
    "https://app.grid.test.evil.test/callback", "https://app.grid.test@evil.test/callback",
    "http://app.grid.test/callback", "https://app.grid.test/callback ", " https://app.grid.test/callback",
    "https://app.grid.test\\@evil.test/callback", "//app.grid.test/callback", "javascript:alert(1)", "",
    "http://127.0.0.1:99999999/cb", "http://127.0.0.1:1@evil.test/cb", "http://127.0.0.1:80/CB",
    "http://127.0.0.1:80/cb?x", "http://127.0.0.1.evil.test/cb", "http://localhost/cb", "http://[::1]/other",
    "https://127.0.0.1/cb", "http://127.0.0.1:/cb", "com.grid.app:/cb/",
])
def test_a_redirect_uri_that_is_not_the_registered_one_is_refused(uri: str) -> None:
    """RFC 9700 section 2.1: exact string matching."""
    assert not is_registered(uri, REGISTERED)


@pytest.mark.parametrize("uri", [*REGISTERED, "http://127.0.0.1:51004/cb", "http://[::1]/cb", "http://[::1]:9/cb"])
def test_a_registered_redirect_uri_matches_and_a_loopback_port_is_free(uri: str) -> None:
    """RFC 8252 section 7.3."""
    assert is_registered(uri, REGISTERED)


@pytest.mark.parametrize("uri", [
    "http://app.grid.test/cb", "https://app.grid.test/cb#f", "https://u@app.grid.test/", "javascript:alert(1)",
    "data:text/html,x", "https://*.grid.test/cb", "https://", "/cb", "https://app.grid.test/c b", "https://[::1/cb",
    "http://127.0.0.1@evil.test/", "https://app.grid.test/ü",
])
def test_an_unsafe_redirect_uri_cannot_be_registered(uri: str) -> None:
    """RFC 6749 section 3.1.2, RFC 9700 section 4.1.3."""
    assert not may_be_registered(uri)


@given(st.text())
def test_no_text_upsets_the_comparison(uri: str) -> None:
    assert is_registered(uri, REGISTERED) == (uri in REGISTERED)
    may_be_registered(uri)


@pytest.mark.parametrize("changes", [
    {"redirect_uri": "https://evil.test/"}, {"client_id": "app\x00"}, {"client_id": "x" * 5_000},
])
async def test_an_untrusted_redirect_is_never_followed(world: World, changes: dict[str, str]) -> None:
    """RFC 6749 section 4.1.2.1: the server MUST NOT redirect."""
    answer = await world.get("/oauth2/authorize", params=authorization(**changes))

    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
async def test_a_doubled_client_or_redirect_is_never_followed(world: World, name: str) -> None:
    """RFC 6749 section 3.1."""
    query = urlencode([*authorization().items(), (name, authorization()[name])])

    answer = await world.get(f"/oauth2/authorize?{query}")

    assert (answer.status_code, "location" in answer.headers) == (400, False)


REFUSALS = [
    pytest.param({"response_type": "token"}, "unsupported_response_type", id="implicit (RFC 9700 2.1.2)"),
    pytest.param({"response_type": "code id_token"}, "unsupported_response_type", id="hybrid"),
    pytest.param({"response_type": ""}, "invalid_request", id="no response_type (RFC 6749 3.1.1)"),
    pytest.param({"response_mode": "fragment"}, "invalid_request", id="fragment response mode"),
    pytest.param({"code_challenge": ""}, "invalid_request", id="no challenge (RFC 7636 4.4.1)"),
    pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="plain (RFC 9700 2.1.1)"),
    pytest.param({"code_challenge_method": ""}, "invalid_request", id="challenge without method means plain"),
    pytest.param({"code_challenge": "short"}, "invalid_request", id="challenge is no SHA-256"),
    pytest.param({"scope": "openid admin"}, "invalid_scope", id="unregistered scope (RFC 6749 3.3)"),
    pytest.param({"scope": ""}, "invalid_scope", id="no scope"),
    pytest.param({"prompt": "none login"}, "invalid_request", id="prompt none with another (OIDC 3.1.2.1)"),
    pytest.param({"prompt": "create"}, "invalid_request", id="prompt not offered"),
    pytest.param({"max_age": "-1"}, "invalid_request", id="negative max_age"),
    pytest.param({"max_age": "1e3"}, "invalid_request", id="max_age not whole"),
    pytest.param({"max_age": "٣"}, "invalid_request", id="max_age in other digits"),
    pytest.param({"request": "x.y.z"}, "invalid_request_object", id="request object that is none (RFC 9101 6.1)"),
    pytest.param({"request_uri": "https://evil.test/"}, "request_uri_not_supported", id="request_uri (SSRF)"),
    pytest.param({"nonce": "n" * 1_025}, "invalid_request", id="endless nonce"),
    pytest.param({"nonce": "a\x00b"}, "invalid_request", id="NUL in nonce"),
    pytest.param({"prompt": "none"}, "login_required", id="prompt=none shows no page (OIDC 3.1.2.6)"),
]


@pytest.mark.parametrize(("changes", "error"), REFUSALS)
async def test_a_refusal_is_told_to_the_client_with_state_and_issuer(
    world: World, changes: dict[str, str], error: str,
) -> None:
    """RFC 6749 section 4.1.2.1, RFC 9207 section 2."""
    answer = await world.get("/oauth2/authorize", params=authorization(**changes))

    assert answer.status_code == 303
    assert answer.headers["location"].startswith(CALLBACK + "?")
    assert parameter(answer, "error") == error
    assert (parameter(answer, "state"), parameter(answer, "iss")) == ("xyz", ISSUER)


async def test_a_doubled_parameter_is_refused_and_a_doubled_state_not_echoed(world: World) -> None:
    """RFC 6749 section 3.1."""
    query = urlencode([*authorization().items(), ("state", "other")])

    answer = await world.get(f"/oauth2/authorize?{query}")

    assert parameter(answer, "error") == "invalid_request"
    assert not has_parameter(answer, "state")


async def test_a_query_that_is_not_utf8_is_refused(world: World) -> None:
    answer = await world.get(f"/oauth2/authorize?{urlencode(authorization())}&x=%ff")

    assert answer.status_code == 400


async def test_a_machine_may_not_use_codes(world: World) -> None:
    """RFC 6749 section 4.1.2.1: it has no redirect URI at all, so nothing is redirected."""
    answer = await world.get("/oauth2/authorize", params=authorization(client_id="machine"))

    assert answer.status_code == 400


async def test_a_session_answers_the_next_request_without_a_page(world: World) -> None:
    async with world.browser() as browser:
        await world.code_in(browser)

        answer = await browser.get("/oauth2/authorize", params=authorization(prompt="none"))

    assert has_parameter(answer, "code")


async def test_prompt_login_asks_again_and_then_once_only(world: World) -> None:
    """OIDC Core section 3.1.2.1."""
    async with world.browser() as browser:
        await world.code_in(browser)
        world.clock.advance(5)

        answer = await browser.get("/oauth2/authorize", params=authorization(prompt="login"))
        after = await world.login(browser, await browser.get(answer.headers["location"]))

    assert "/login?" in answer.headers["location"]
    assert has_parameter(after, "code")


@pytest.mark.parametrize(("max_age", "is_asked"), [("0", True), ("59", True), ("61", False)])
async def test_max_age_really_re_authenticates(world: World, max_age: str, is_asked: bool) -> None:  # noqa: FBT001 - a parameter
    """OIDC Core section 3.1.2.1."""
    async with world.browser() as browser:
        await world.code_in(browser)
        world.clock.advance(60)

        answer = await browser.get("/oauth2/authorize", params=authorization(max_age=max_age))

    assert ("/login?" in answer.headers["location"]) is is_asked


async def test_a_session_ends_by_itself(world: World) -> None:
    async with world.browser() as browser:
        await world.code_in(browser)
        world.clock.advance(43_201)

        answer = await browser.get("/oauth2/authorize", params=authorization(prompt="none"))

    assert parameter(answer, "error") == "login_required"
