"""Answers that travel in a form (OAuth 2.0 Form Post Response Mode), and requests that come in one."""

import re

import pytest

from tests.identity.authorization.kit import (
    AUTHORIZE,
    answered,
    asking,
    finish,
    is_page,
    logged_in,
    register,
    told,
    visit,
)
from tests.identity.world import CALLBACK, ISSUER, World, authorization

_FIELD = re.compile(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">')


def fields(page: str) -> dict[str, str]:
    """Return the hidden fields of the answer's form."""
    return dict(_FIELD.findall(page.split('id="answer"', 1)[1].split("</form>", 1)[0]))


async def test_the_answer_is_a_form_that_posts_itself_and_has_a_button(world: World) -> None:
    """Form Post Response Mode section 2; without scripts a person clicks."""
    async with world.browser() as browser:
        await logged_in(world, browser)
        page = await visit(browser, **authorization(response_mode="form_post"))
        script = await browser.get("/identity/form_post.js")

    assert page.status_code == 200
    assert f'<form method="post" action="{CALLBACK}" id="answer">' in page.text
    assert fields(page.text).keys() == {"code", "state", "iss"}
    assert fields(page.text)["iss"] == ISSUER
    assert '<button type="submit" id="continue">' in page.text
    assert script.headers["content-type"].startswith("text/javascript")


async def test_the_page_runs_our_script_and_no_other(world: World) -> None:
    async with world.browser() as browser:
        await logged_in(world, browser)
        page = await visit(browser, **authorization(response_mode="form_post"))

    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "form-action" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert "<script>" not in page.text


async def test_what_is_posted_is_escaped(world: World) -> None:
    """XSS through `state`."""
    async with world.browser() as browser:
        await logged_in(world, browser)
        page = await visit(browser, **authorization(response_mode="form_post", state='"><script>alert(1)</script>'))

    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


@pytest.mark.parametrize("changes", [
    {"prompt": "none"}, {"response_type": "token"}, {"scope": "openid admin"}, {"code_challenge_method": "plain"}])
async def test_an_error_is_a_form_too(world: World, changes: dict[str, str]) -> None:
    """Form Post Response Mode section 2: errors as well, with state and iss."""
    answer = await world.get(AUTHORIZE, params=authorization(response_mode="form_post", **changes))

    assert answer.status_code == 200
    assert {"error", "state", "iss"} <= fields(answer.text).keys()


async def test_the_answer_after_the_login_page_is_a_form(world: World) -> None:
    async with world.browser() as browser:
        page = await finish(world, browser, await visit(browser, **authorization(response_mode="form_post")))

    assert "code" in fields(page.text)


async def test_an_app_scheme_takes_no_form(world: World) -> None:
    await register(world, "mobile", application_type="native", redirect_uris=("com.grid.app:/cb",))

    answer = await world.get(AUTHORIZE, params=asking(
        "mobile", redirect_uri="com.grid.app:/cb", response_mode="form_post"))

    assert answer.headers["location"].startswith("com.grid.app:/cb?error=invalid_request")


async def test_an_app_scheme_is_for_native_applications(world: World) -> None:
    """RFC 8252 section 7.1; a registration from before its application_type counted."""
    await register(world, "mobile", application_type="native", redirect_uris=("com.grid.app:/cb",))
    await world.pool.execute("""UPDATE identity.clients SET settings = '{}' WHERE id = 'mobile'""")

    answer = await world.get(AUTHORIZE, params=asking("mobile", redirect_uri="com.grid.app:/cb"))

    assert is_page(answer)


async def test_a_request_may_come_as_a_form(world: World) -> None:
    """OIDC Core section 3.1.2.1: GET and POST."""
    async with world.browser() as browser:
        await logged_in(world, browser)

        answer = await browser.post(AUTHORIZE, data=authorization())

    assert "code" in answered(answer)


async def test_a_form_from_another_site_goes_around_once(world: World) -> None:
    """A cross-site POST brings no SameSite=Lax cookie; the GET after a 303 does."""
    async with world.browser() as browser:
        await logged_in(world, browser)
        answer = await world.post(AUTHORIZE, authorization(prompt="none"))

        around = await browser.get(answer.headers["location"])

    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, AUTHORIZE)
    assert "code" in answered(around)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data"])
async def test_a_body_that_is_no_form_leads_nowhere(world: World, content_type: str) -> None:
    answer = await world.post(AUTHORIZE, content=b"{}", headers={"Content-Type": content_type})

    assert is_page(answer)


async def test_a_parameter_in_body_and_query_stands_twice(world: World) -> None:
    """RFC 6749 section 3.1."""
    async with world.browser() as browser:
        await logged_in(world, browser)

        answer = await browser.post(f"{AUTHORIZE}?scope=openid", data=authorization())

    assert told(answer) == "invalid_request"
