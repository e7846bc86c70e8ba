"""What the end session endpoint must refuse."""

from base64 import urlsafe_b64encode

from tests.identity.logout.steps import tokens_in
from tests.identity.world import FAREWELL, World

PATH = "/oauth2/logout"
STRANGE = [
    "https://evil.example/bye", f"{FAREWELL}?foo=bar", f"{FAREWELL}/", f"{FAREWELL}#x", FAREWELL.upper(),
    f"{FAREWELL}/../x", "https://app.grid.test:444/bye", "https://user@app.grid.test/bye", "//app.grid.test/bye",
]


async def test_an_unregistered_post_logout_redirect_uri_leads_nowhere(world: World) -> None:
    """RP-Initiated Logout 3: exact match; oidcc-rp-initiated-logout-bad-post-logout-redirect-uri, -query-added."""
    async with world.browser() as browser:
        tokens = await tokens_in(world, browser)
        answers = [await browser.get(PATH, params={
            "id_token_hint": tokens["id_token"], "post_logout_redirect_uri": uri, "state": "s"}) for uri in STRANGE]

    assert [(answer.status_code, "location" in answer.headers) for answer in answers] == [(400, False)] * 9
    assert await world.pool.fetchval("SELECT ended_at_us IS NULL FROM identity.sessions")


async def test_a_hint_changed_to_alg_none_leads_nowhere(world: World) -> None:
    """RP-Initiated Logout 2: oidcc-rp-initiated-logout-modified-id-token-hint."""
    async with world.browser() as browser:
        tokens = await tokens_in(world, browser)
        _, payload, _ = tokens["id_token"].split(".")
        header = urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
        answers = [await browser.get(PATH, params={"id_token_hint": hint, "post_logout_redirect_uri": FAREWELL})
                   for hint in (f"{header}.{payload}.", "nonsense", tokens["id_token"][:-8] + "AAAAAAAA",
                                tokens["access_token"])]

    assert [answer.status_code for answer in answers] == [400] * 4


async def test_a_place_without_a_client_leads_nowhere(world: World) -> None:
    """RP-Initiated Logout 3: oidcc-rp-initiated-logout-no-id-token-hint."""
    async with world.browser() as browser:
        await tokens_in(world, browser)
        answer = await browser.get(PATH, params={"post_logout_redirect_uri": FAREWELL, "state": "s"})

    assert answer.status_code == 400


async def test_a_hint_of_another_client_is_refused(world: World) -> None:
    """RP-Initiated Logout 2: client_id and the audience of the hint must be the same."""
    async with world.browser() as browser:
        tokens = await tokens_in(world, browser)
        answer = await browser.get(PATH, params={"id_token_hint": tokens["id_token"], "client_id": "web"})

    assert answer.status_code == 400


async def test_a_parameter_twice_is_refused(world: World) -> None:
    """RFC 6749 section 3.1."""
    answer = await world.get(f"{PATH}?client_id=app&client_id=web")

    assert answer.status_code == 400


async def test_a_logout_form_of_another_browser_is_refused(world: World) -> None:
    """Session fixation and CSRF: the form is bound to browser and session."""
    async with world.browser() as browser, world.browser() as other:
        await tokens_in(world, browser)
        await tokens_in(world, other)
        page = await other.get(PATH)
        text = page.text.split('name="interaction" value="', 1)[1].split('"', 1)[0]
        answer = await browser.post("/logout", data={"interaction": text})

    assert answer.status_code == 403
    assert await world.pool.fetchval("SELECT count(*) FROM identity.sessions WHERE ended_at_us IS NOT NULL") == 0
