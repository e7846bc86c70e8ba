"""Consent and logout as a browser sees them, and what a hostile page gets."""


import httpx2 as httpx
import pytest

from shared_kernel.credentials import Credentials
from tests.identity.world import (
    CALLBACK,
    FAREWELL,
    ISSUER,
    PASSWORD,
    World,
    authorization,
    has_parameter,
    hidden,
    parameter,
)

SESSION = "__Host-gw_session"


async def login_page(browser: httpx.AsyncClient, **changes: str) -> httpx.Response:
    answer = await browser.get("/oauth2/authorize", params=authorization(**changes))
    return await browser.get(answer.headers["location"])


async def test_a_third_party_client_needs_consent_once(world: World) -> None:
    """OIDC Core section 3.1.2.4."""
    async with world.browser() as browser:
        page = await login_page(browser, client_id="third")
        answer = await world.login(browser, page)
        consent = await browser.get(answer.headers["location"])
        allowed = await browser.post("/consent", data={"interaction": hidden(consent.text), "decision": "allow"})
        again = await browser.get("/oauth2/authorize", params=authorization(client_id="third"))
        more = await browser.get("/oauth2/authorize", params=authorization(client_id="third", scope="openid api"))
        silent = await browser.get("/oauth2/authorize", params=authorization(
            client_id="third", scope="openid api", prompt="none"))

    assert "Third &lt;b&gt;Party&lt;/b&gt;" in consent.text
    assert allowed.status_code == 303
    assert has_parameter(allowed, "code")
    assert has_parameter(again, "code")
    assert "/consent?" in more.headers["location"]
    assert parameter(silent, "error") == "consent_required"
    assert world.recorder.of("consent_granted")[0]["grid"]["oauth"]["scope"] == "openid profile"


async def test_a_denied_consent_is_told_to_the_client(world: World) -> None:
    """RFC 6749 section 4.1.2.1: access_denied."""
    async with world.browser() as browser:
        answer = await world.login(browser, await login_page(browser, client_id="third"))
        consent = await browser.get(answer.headers["location"])

        denied = await browser.post("/consent", data={"interaction": hidden(consent.text), "decision": "deny"})

    assert parameter(denied, "error") == "access_denied"
    assert parameter(denied, "iss") == ISSUER


async def test_a_consent_form_of_another_session_is_refused(world: World) -> None:
    """Consent CSRF: bound to browser and session."""
    await world.provider.create_user("mallory", PASSWORD, roles=frozenset())
    async with world.browser() as mallory, world.browser() as alice:
        answer = await world.login(mallory, await login_page(mallory, client_id="third"), name="mallory")
        form = {"interaction": hidden((await mallory.get(answer.headers["location"])).text), "decision": "allow"}
        await world.code_in(alice)

        forged = await alice.post("/consent", data=form)
        await world.login(mallory, await login_page(mallory, client_id="app", prompt="login"), name="alice")
        stale = await mallory.post("/consent", data=form)

    assert forged.status_code == stale.status_code == 403
    assert world.recorder.of("consent_granted") == []


async def test_a_third_party_acts_with_roles_only_when_allowed_to(world: World) -> None:
    """RFC 9700 section 2.3: restricted privileges."""
    principals = []
    for scope in ("openid profile", "openid api"):
        async with world.browser() as browser:
            answer = await world.login(browser, await login_page(browser, client_id="third", scope=scope))
            consent = await browser.get(answer.headers["location"])
            allowed = await browser.post("/consent", data={"interaction": hidden(consent.text), "decision": "allow"})
        token = (await world.redeem(parameter(allowed, "code"), client_id="third")).json()["access_token"]
        principals.append(await world.provider.authenticate(Credentials(f"Bearer {token}")))

    assert [principal.roles for principal in principals] == [frozenset(), {"grid_viewer"}]


async def test_logout_asks_then_ends_the_session_and_its_grants(world: World) -> None:
    """RP-Initiated Logout sections 2 and 3."""
    async with world.browser() as browser:
        tokens = (await world.redeem(await world.code_in(browser))).json()
        page = await browser.get("/oauth2/logout", params={
            "id_token_hint": tokens["id_token"], "post_logout_redirect_uri": FAREWELL, "state": "s1"})
        still = await world.userinfo(tokens["access_token"])
        answer = await browser.post("/logout", data={"interaction": hidden(page.text)})
        after = await browser.get("/oauth2/authorize", params=authorization(prompt="none"))

    assert still.status_code == 200
    assert (answer.status_code, answer.headers["location"]) == (303, f"{FAREWELL}?state=s1")
    assert parameter(after, "error") == "login_required"
    assert (await world.userinfo(tokens["access_token"])).status_code == 401
    assert len(world.recorder.of("user_logout")) == 1


@pytest.mark.parametrize("parameters", [
    {"client_id": "app", "post_logout_redirect_uri": "https://evil.test/"},
    {"client_id": "app", "post_logout_redirect_uri": FAREWELL + "/"}, {"post_logout_redirect_uri": FAREWELL},
    {"client_id": "third", "post_logout_redirect_uri": FAREWELL}, {"id_token_hint": "x.y.z"},
    {"client_id": "app", "post_logout_redirect_uri": CALLBACK},
])
async def test_a_logout_to_an_unregistered_place_is_refused(world: World, parameters: dict[str, str]) -> None:
    """RP-Initiated Logout section 3."""
    answer = await world.get("/oauth2/logout", params=parameters)

    assert (answer.status_code, "location" in answer.headers) == (400, False)


async def test_a_logout_form_from_another_browser_is_refused(world: World) -> None:
    """Logout CSRF."""
    async with world.browser() as attacker, world.browser() as victim:
        await world.code_in(attacker)
        await world.code_in(victim)
        form = {"interaction": hidden((await attacker.get("/logout")).text)}

        answer = await victim.post("/logout", data=form)
        still = await victim.get("/oauth2/authorize", params=authorization(prompt="none"))

    assert answer.status_code == 403
    assert has_parameter(still, "code")


