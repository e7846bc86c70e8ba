"""RP-initiated logout, module by module of the OpenID conformance plan `oidcc-rp-initiated-logout`."""

import pytest

from tests.identity.logout.steps import log_out, tokens_in
from tests.identity.world import FAREWELL, World, has_parameter, hidden, parameter


async def test_discovery_names_the_endpoint(world: World) -> None:
    """oidcc-rp-initiated-logout-discovery-endpoint-verification."""
    found = (await world.get("/.well-known/openid-configuration")).json()

    assert found["end_session_endpoint"].endswith("/oauth2/logout")


async def test_a_logout_ends_the_session_and_leads_back_with_state(world: World) -> None:
    """oidcc-rp-initiated-logout."""
    async with world.browser() as browser:
        tokens = await tokens_in(world, browser)
        answer = await log_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=FAREWELL, state="s")
        again = await browser.get("/oauth2/authorize", params={"client_id": "app"})

    assert answer.status_code == 303
    assert answer.headers["location"].startswith(FAREWELL)
    assert parameter(answer, "state") == "s"
    assert "gw_session" not in again.request.headers.get("cookie", "")
    assert await world.pool.fetchval("SELECT ended_at_us IS NOT NULL FROM identity.sessions")


async def test_without_state_none_comes_back(world: World) -> None:
    """oidcc-rp-initiated-logout-no-state."""
    async with world.browser() as browser:
        tokens = await tokens_in(world, browser)
        answer = await log_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=FAREWELL)

    assert answer.headers["location"] == FAREWELL


async def test_an_expired_hint_is_good(world: World) -> None:
    """RP-Initiated Logout 4: the token need not be current."""
    async with world.browser() as browser:
        tokens = await tokens_in(world, browser)
        world.clock.advance(3_600)
        page = await browser.get("/oauth2/logout", params={
            "id_token_hint": tokens["id_token"], "post_logout_redirect_uri": FAREWELL})

    assert (page.status_code, 'id="log-out"' in page.text) == (200, True)


@pytest.mark.parametrize("parameters", [{}, {"state": "s"}, {"ui_locales": "sq"}, {"logout_hint": "alice"}])
async def test_without_a_place_to_go_the_person_is_asked_and_stays_here(
        world: World, parameters: dict[str, str]) -> None:
    """oidcc-rp-initiated-logout-no-params, -only-state."""
    async with world.browser() as browser:
        await tokens_in(world, browser)
        answer = await log_out(browser, **parameters)
        page = await browser.get(answer.headers["location"])

    assert answer.headers["location"].endswith("/logout")
    assert not has_parameter(answer, "state")
    assert page.status_code == 200


async def test_a_hint_alone_is_enough_to_ask(world: World) -> None:
    """oidcc-rp-initiated-logout-no-post-logout-redirect-uri."""
    async with world.browser() as browser:
        tokens = await tokens_in(world, browser)
        answer = await log_out(browser, id_token_hint=tokens["id_token"])

    assert answer.headers["location"].endswith("/logout")


async def test_a_logout_may_come_by_post(world: World) -> None:
    """RP-Initiated Logout 2: GET and POST."""
    async with world.browser() as browser:
        tokens = await tokens_in(world, browser)
        page = await browser.post("/oauth2/logout", data={
            "id_token_hint": tokens["id_token"], "post_logout_redirect_uri": FAREWELL, "state": "s"})
        answer = await browser.post("/logout", data={"interaction": hidden(page.text)})

    assert answer.headers["location"] == f"{FAREWELL}?state=s"


async def test_a_post_from_another_site_comes_back_with_its_cookie(world: World) -> None:
    """A SameSite=Lax cookie stays behind at a cross-site POST, and comes along with the GET that follows."""
    async with world.browser() as browser:
        tokens = await tokens_in(world, browser)
    fields = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": FAREWELL, "state": "s"}

    answer = await world.post("/oauth2/logout", fields)

    assert answer.status_code == 303
    assert "/oauth2/logout?" in answer.headers["location"]
    assert parameter(answer, "state") == "s"


async def test_somebody_who_is_logged_out_already_is_led_back_at_once(world: World) -> None:
    """RP-Initiated Logout 4: the end is the same."""
    answer = await world.get("/oauth2/logout", params={
        "client_id": "app", "post_logout_redirect_uri": FAREWELL, "state": "s"})

    assert answer.headers["location"] == f"{FAREWELL}?state=s"


async def test_no_one_is_logged_out_by_a_link(world: World) -> None:
    """RP-Initiated Logout 6: a hint proves a client, not a wish; the person is always asked."""
    async with world.browser() as browser:
        tokens = await tokens_in(world, browser)
        await browser.get("/oauth2/logout", params={"id_token_hint": tokens["id_token"],
                                                    "post_logout_redirect_uri": FAREWELL})

    assert await world.pool.fetchval("SELECT ended_at_us IS NULL FROM identity.sessions")


async def test_the_page_speaks_the_language_that_was_asked_for(world: World) -> None:
    """RP-Initiated Logout 2: ui_locales."""
    async with world.browser() as browser:
        await tokens_in(world, browser)
        page = await browser.get("/oauth2/logout", params={"ui_locales": "sq en"})

    assert page.headers["content-language"] == "sq"
