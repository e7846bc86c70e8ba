"""What the OpenID Foundation's suite checks at this endpoint in the plans Basic OP and Dynamic OP, a test a module.

Modules that other endpoints answer are held there; `docs/conformance.md` has the whole table.
"""

import json
from base64 import urlsafe_b64decode
from typing import Any
from urllib.parse import urlencode

import httpx2 as httpx
import pytest

from tests.identity.authorization.kit import AUTHORIZE, answered, asking, finish, is_page, register, told, visit
from tests.identity.world import CALLBACK, ISSUER, World, parameter


@pytest.fixture
async def op(world: World) -> World:
    """A client as the suite registers one: confidential, no PKCE, nobody's favourite."""
    world.secret = await register(world, "suite", first_party=False, require_pkce=False)
    return world


def bare(**changes: str) -> dict[str, str]:
    """Return a request as the suite sends it."""
    return asking("suite", scope="openid", **({"code_challenge": "", "code_challenge_method": ""} | changes))


async def id_token(world: World, browser: httpx.AsyncClient, **changes: str) -> dict[str, Any]:
    """Go through a whole authorization; answer the claims of the ID token."""
    answer = await finish(world, browser, await visit(browser, **bare(**changes)))
    return (await tokens(world, answer))[1]


async def tokens(world: World, answer: httpx.Response) -> tuple[dict[str, Any], dict[str, Any]]:
    """Redeem the code; answer the token response and the ID token's claims."""
    found = (await world.post("/oauth2/token", {
        "grant_type": "authorization_code", "code": parameter(answer, "code"), "redirect_uri": CALLBACK,
        "client_id": "suite", "client_secret": world.secret})).json()
    payload = found["id_token"].split(".")[1]
    return found, json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


async def test_oidcc_server(op: World) -> None:
    """oidcc-server: state, iss and nonce come back."""
    async with op.browser() as browser:
        answer = await finish(op, browser, await visit(browser, **bare()))

    assert answered(answer).keys() == {"code", "state", "iss"}
    assert (await tokens(op, answer))[1]["nonce"] == "n-0S6"


async def test_oidcc_response_type_missing(op: World) -> None:
    """oidcc-response-type-missing: invalid_request in the query."""
    assert told(await op.get(AUTHORIZE, params=bare(response_type=""))) == "invalid_request"


async def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(op: World) -> None:
    """oidcc-ensure-request-without-nonce-succeeds-for-code-flow: and no nonce in the ID token."""
    async with op.browser() as browser:
        assert "nonce" not in await id_token(op, browser, nonce="")


@pytest.mark.parametrize("scope", [
    "openid profile", "openid email", "openid address", "openid phone", "openid profile email address phone",
    "email openid"])
async def test_oidcc_scope(op: World, scope: str) -> None:
    """oidcc-scope-profile, -email, -address, -phone, -all, oidcc-ensure-other-scope-order-succeeds."""
    async with op.browser() as browser:
        answer = await finish(op, browser, await visit(browser, **bare() | {"scope": scope}))

    assert set((await tokens(op, answer))[0]["scope"].split()) == set(scope.split())


@pytest.mark.parametrize("changes", [
    {"display": "page"}, {"display": "popup"}, {"extra": "foobar"}, {"login_hint": "buffy@grid.test"},
    {"ui_locales": "se"}, {"claims_locales": "se"}, {"acr_values": "1 2"},
    {"claims": '{"userinfo":{"name":{"essential":true}}}'},
])
async def test_oidcc_what_is_only_a_wish_never_hinders(op: World, changes: dict[str, str]) -> None:
    """A wish that cannot be met is no error.

    oidcc-display-page, -display-popup, oidcc-ensure-request-with-unknown-parameter-succeeds, oidcc-login-hint,
    oidcc-ui-locales, oidcc-claims-locales, oidcc-ensure-request-with-acr-values-succeeds, oidcc-claims-essential.
    """
    async with op.browser() as browser:
        assert (await id_token(op, browser, **changes))["sub"] == op.user.id


async def test_oidcc_prompt_login(op: World) -> None:
    """oidcc-prompt-login: a second login page, and another auth_time."""
    async with op.browser() as browser:
        first = await id_token(op, browser)
        op.clock.advance(2)
        again = await visit(browser, **bare(prompt="login"))
        second = (await tokens(op, await finish(op, browser, again)))[1]

    assert again.headers["location"].startswith("/login?")
    assert first["auth_time"] < second["auth_time"]


async def test_oidcc_prompt_none_not_logged_in(op: World) -> None:
    """oidcc-prompt-none-not-logged-in: login_required."""
    assert told(await op.get(AUTHORIZE, params=bare(prompt="none"))) == "login_required"


@pytest.mark.parametrize("changes", [{"prompt": "none"}, {"max_age": "10000"}, {"id_token_hint": "first"}])
async def test_oidcc_the_second_time_is_silent(op: World, changes: dict[str, str]) -> None:
    """oidcc-prompt-none-logged-in, oidcc-max-age-10000, oidcc-id-token-hint: same person, same auth_time, no page."""
    async with op.browser() as browser:
        raw, first = await tokens(op, await finish(op, browser, await visit(browser, **bare())))
        op.clock.advance(2)
        hint = {"id_token_hint": raw["id_token"], "prompt": "none"} if "id_token_hint" in changes else changes

        answer = await visit(browser, **bare(**hint))

    second = (await tokens(op, answer))[1]
    assert (first["sub"], first["auth_time"]) == (second["sub"], second["auth_time"])


async def test_oidcc_max_age_1(op: World) -> None:
    """oidcc-max-age-1: after two seconds the person authenticates again, and auth_time is later."""
    async with op.browser() as browser:
        first = await id_token(op, browser)
        op.clock.advance(2)
        second = await id_token(op, browser, max_age="1")

    assert second["auth_time"] > first["auth_time"]


@pytest.mark.parametrize("uri", [f"{CALLBACK}?foo=bar", f"{CALLBACK}/x", ""])
async def test_oidcc_ensure_registered_redirect_uri(op: World, uri: str) -> None:
    """A page with a reference, and no redirect.

    oidcc-ensure-registered-redirect-uri, -redirect-uri-query-added, -ensure-redirect-uri-in-authorization-request.
    """
    answer = await op.get(AUTHORIZE, params=bare(redirect_uri=uri))

    assert is_page(answer)
    assert 'id="reference"' in answer.text


async def test_oidcc_redirect_uri_query(op: World) -> None:
    """oidcc-redirect-uri-query-OK, -mismatch: a registered query stays; another one is another URI."""
    registered = f"{CALLBACK}?foo=bar"
    await register(op, "queried", require_pkce=False, redirect_uris=(registered,))

    right = await op.get(AUTHORIZE, params=bare(prompt="none", redirect_uri=registered) | {"client_id": "queried"})
    wrong = await op.get(AUTHORIZE, params=bare(redirect_uri=f"{CALLBACK}?bar=foo") | {"client_id": "queried"})

    assert right.headers["location"].startswith(f"{registered}&error=login_required")
    assert is_page(wrong)


async def test_oidcc_ensure_post_request_succeeds(op: World) -> None:
    """oidcc-ensure-post-request-succeeds."""
    async with op.browser() as browser:
        answer = await browser.post(AUTHORIZE, data=bare())
        answer = await browser.get(answer.headers["location"])

        assert "code" in answered(await finish(op, browser, answer))


async def test_oidcc_request_uri_unsigned_rejected_as_unsupported(op: World) -> None:
    """oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported: request_uri_not_supported."""
    answer = await op.get(AUTHORIZE, params=bare(request_uri="https://suite.test/request.jwt"))

    assert told(answer) == "request_uri_not_supported"


async def test_oidcc_unsigned_request_object_rejected_as_unsupported(op: World) -> None:
    """oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported: request_not_supported."""
    unsigned = "eyJhbGciOiJub25lIn0.eyJyZXNwb25zZV90eXBlIjoiY29kZSJ9."

    assert told(await op.get(AUTHORIZE, params=bare(request=unsigned))) == "request_not_supported"


async def test_oidcc_refresh_token(op: World) -> None:
    """oidcc-refresh-token: offline_access with prompt=consent gives one."""
    async with op.browser() as browser:
        answer = await finish(op, browser, await visit(browser, **bare(prompt="consent") | {
            "scope": "openid offline_access"}))

    assert "refresh_token" in (await tokens(op, answer))[0]


async def test_oidcc_ensure_request_with_valid_pkce_succeeds(op: World) -> None:
    """oidcc-ensure-request-with-valid-pkce-succeeds: PKCE is honoured where it is not required."""
    async with op.browser() as browser:
        answer = await finish(op, browser, await visit(browser, **asking("suite", scope="openid")))

    answer = await op.post("/oauth2/token", {
        "grant_type": "authorization_code", "code": parameter(answer, "code"), "redirect_uri": CALLBACK,
        "client_id": "suite", "client_secret": op.secret})
    assert answer.json()["error"] == "invalid_grant"


async def test_oidcc_form_post(op: World) -> None:
    """oidcc-server in the plan Form Post Basic OP."""
    async with op.browser() as browser:
        page = await finish(op, browser, await visit(browser, **bare(response_mode="form_post")))

    assert f'name="iss" value="{ISSUER}"' in page.text
    assert 'name="code"' in page.text


async def test_a_query_of_many_kilobytes_is_no_accident(op: World) -> None:
    """Whatever the suite pads a request with, it is answered, not dropped."""
    answer = await op.get(f"{AUTHORIZE}?{urlencode(bare(padding='p' * 9_000, prompt='none'))}")

    assert told(answer) == "login_required"
