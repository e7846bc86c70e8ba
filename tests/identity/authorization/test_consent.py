"""Consent: said in words, remembered for what was shown and no more, and never carried out twice by accident."""

import pytest

from identity.domain.records import ClientSettings
from identity.http.pages.consent import place_of
from identity.service import Registration
from tests.identity.authorization.kit import (
    METER,
    answered,
    as_json,
    asking,
    decide,
    finish,
    logged_in,
    register,
    told,
    visit,
)
from tests.identity.world import CALLBACK, ISSUER, PASSWORD, World, hidden

DETAILS = as_json([METER])
RESOURCE = "https://meters.grid.test/"


@pytest.fixture
async def shop(world: World) -> World:
    """A third-party client that may ask for much."""
    await register(world, "shop", first_party=False, resources=(RESOURCE,),
                   authorization_details_types=("meter_access",), metadata={
                       "client_uri": "https://shop.test/", "policy_uri": "javascript:alert(1)",
                       "tos_uri": "https://shop.test/terms", "logo_uri": "https://shop.test/logo.png"})
    return world


async def shown(world: World, **changes: str) -> str:
    """Return the consent page of a request."""
    async with world.browser() as browser:
        await logged_in(world, browser)
        return (await browser.get((await visit(browser, **asking("shop", **changes))).headers["location"])).text


async def test_the_page_says_in_words_what_is_asked(shop: World) -> None:
    page = await shown(shop, scope="openid email api", authorization_details=DETAILS, resource=RESOURCE)

    for words in ("The shop", "Know who you are", "See your e-mail address", "Act for you with your roles",
                  "meter_access", "meter-7", RESOURCE, "app.grid.test"):
        assert words in page


async def test_single_claims_are_shown_like_the_scope_they_belong_to(shop: World) -> None:
    """OIDC Core section 5.5: a claim asked for by name is disclosed as well."""
    page = await shown(shop, scope="openid", claims=as_json({"userinfo": {"phone_number": None}}))

    assert "See your phone number" in page


async def test_the_page_speaks_albanian(shop: World) -> None:
    page = await shown(shop, scope="openid email", ui_locales="sq")

    assert '<html lang="sq">' in page
    assert "Të shohë adresën tuaj të e-mailit" in page


async def test_the_clients_links_are_safe_and_its_logo_is_not_fetched(shop: World) -> None:
    """SSRF and tracking: no remote image; only https links, opened outside."""
    page = await shown(shop)

    assert 'href="https://shop.test/terms" target="_blank" rel="noopener noreferrer nofollow"' in page
    assert "javascript:" not in page
    assert "logo.png" not in page
    assert "<img" not in page


async def test_what_was_allowed_is_remembered_and_what_is_new_is_asked(shop: World) -> None:
    """RFC 8707, RFC 9396: scopes, resources and details, each."""
    async with shop.browser() as browser:
        await finish(shop, browser, await visit(browser, **asking("shop", scope="openid", resource=RESOURCE,
                                                                  authorization_details=DETAILS)))
        same = await visit(browser, **asking("shop", scope="openid", resource=RESOURCE, authorization_details=DETAILS,
                                             prompt="none"))
        more = [await visit(browser, **asking("shop", scope="openid", prompt="none", **changes)) for changes in (
            {"resource": f"{ISSUER}/api"}, {"authorization_details": as_json([METER | {"actions": ["read", "write"]}])},
            {"claims": as_json({"userinfo": {"email": None}})})]

    assert "code" in answered(same)
    assert [told(answer) for answer in more] == ["consent_required"] * 3


async def test_the_sealed_consent_tells_what_was_allowed(shop: World) -> None:
    async with shop.browser() as browser:
        await finish(shop, browser, await visit(browser, **asking(
            "shop", scope="openid", resource=RESOURCE, authorization_details=DETAILS,
            claims=as_json({"userinfo": {"email": None}}))))

    told_by = shop.recorder.of("consent_granted")[0]["grid"]["oauth"]
    assert (told_by["scope"], told_by["claims"]) == ("openid", ["email"])
    assert (told_by["resources"], told_by["authorization_details"]) == ([RESOURCE], ["meter_access"])


async def test_what_was_asked_stands_on_the_grant(shop: World) -> None:
    async with shop.browser() as browser:
        await finish(shop, browser, await visit(browser, **asking(
            "shop", scope="openid", resource=RESOURCE, authorization_details=DETAILS, dpop_jkt="A" * 43)))

    grant = await shop.pool.fetchrow("SELECT terms::text, session_id FROM identity.grants WHERE client_id = 'shop'")
    assert RESOURCE in grant["terms"]
    assert "meter-7" in grant["terms"]
    assert "A" * 43 in grant["terms"]


async def test_nothing_stands_while_the_ledger_is_down(shop: World) -> None:
    """Our invariant: a consent is sealed before it stands."""
    async with shop.browser() as browser:
        await logged_in(shop, browser)
        page = await browser.get((await visit(browser, **asking("shop"))).headers["location"])
        shop.recorder.is_down = True

        answer = await decide(browser, page)

    assert answer.status_code == 503
    assert await shop.pool.fetchval("SELECT count(*) FROM identity.consents") == 0
    assert await shop.pool.fetchval("SELECT count(*) FROM identity.grants WHERE client_id = 'shop'") == 0


async def test_a_no_after_a_yes_is_a_no(shop: World) -> None:
    """The back button: the page is still there, and the last answer counts."""
    async with shop.browser() as browser:
        await logged_in(shop, browser)
        page = await browser.get((await visit(browser, **asking("shop"))).headers["location"])
        await decide(browser, page)

        denied = await decide(browser, page, "deny")

    assert told(denied) == "access_denied"


async def test_a_double_click_is_two_answers_that_both_work(shop: World) -> None:
    async with shop.browser() as browser:
        await logged_in(shop, browser)
        page = await browser.get((await visit(browser, **asking("shop"))).headers["location"])

        answers = [await decide(browser, page), await decide(browser, page)]

    assert all("code" in answered(answer) for answer in answers)
    assert len(shop.recorder.of("consent_granted")) == 1


async def test_two_tabs_are_answered_each_for_itself(shop: World) -> None:
    async with shop.browser() as browser:
        await logged_in(shop, browser)
        first = await browser.get((await visit(browser, **asking("shop", state="one"))).headers["location"])
        second = await browser.get((await visit(browser, **asking("shop", state="two"))).headers["location"])

        answers = [await decide(browser, second), await decide(browser, first)]

    assert [answered(answer)["state"] for answer in answers] == ["two", "one"]


async def test_a_consent_page_after_a_new_login_is_asked_anew(shop: World) -> None:
    """Two tabs: the other one logged somebody else in; the old form is dead, the address shows a fresh one."""
    await shop.provider.create_user("bella", PASSWORD, roles=frozenset())
    async with shop.browser() as browser:
        await logged_in(shop, browser)
        place = (await visit(browser, **asking("shop"))).headers["location"]
        form = {"interaction": hidden((await browser.get(place)).text), "decision": "allow"}
        login = await visit(browser, **asking("app", prompt="login"))
        await shop.login(browser, await browser.get(login.headers["location"]), name="bella")

        dead = await browser.post("/consent", data=form)
        fresh = await browser.get(place)

    assert dead.status_code == 403
    assert fresh.headers["location"].startswith("/consent?")


async def test_an_ended_session_leads_from_consent_to_the_login(shop: World) -> None:
    async with shop.browser() as browser:
        await logged_in(shop, browser)
        place = (await visit(browser, **asking("shop"))).headers["location"]
        await shop.provider.revoke_sessions("alice", by="test")

        answer = await browser.get(place)

    assert answer.headers["location"].startswith("/login?")


@pytest.mark.parametrize(("client", "prompt", "stays"), [
    ("shop", "consent", True), ("shop", "", False), ("ours", "", True)])
async def test_offline_access_needs_a_consent(shop: World, client: str, prompt: str, stays: bool) -> None:  # noqa: FBT001 - a parameter
    """OIDC Core section 11: without prompt=consent it is ignored; our own applications are trusted."""
    await register(shop, "ours")
    async with shop.browser() as browser:
        answer = await finish(shop, browser, await visit(browser, **asking(
            client, scope="openid offline_access", prompt=prompt)))

    assert "code" in answered(answer)
    grant = await shop.pool.fetchrow("SELECT * FROM identity.grants WHERE client_id = $1", client)
    assert ("offline_access" in grant["scopes"]) is stays
    assert (grant["session_id"] is None) is stays
    assert ('"is_offline": true' in grant["terms"]) is stays


async def test_offline_access_is_nothing_for_a_client_without_refresh_tokens(world: World) -> None:
    """OIDC Core section 11."""
    await world.provider.create_client(Registration(
        "once", "Once", redirect_uris=(CALLBACK,), grant_types=frozenset({"authorization_code"}),
        scopes=frozenset({"openid", "offline_access"}), first_party=True, settings=ClientSettings()), public=True)
    async with world.browser() as browser:
        await logged_in(world, browser)

        answer = await visit(browser, **asking("once", scope="openid offline_access"))

    assert "code" in answered(answer)
    scopes = await world.pool.fetchval("SELECT scopes FROM identity.grants WHERE client_id = 'once'")
    assert scopes == ["openid"]


@pytest.mark.parametrize(("uri", "place"), [
    ("https://app.grid.test/callback?x", "app.grid.test"), ("http://127.0.0.1:4000/cb", "127.0.0.1"),
    ("com.grid.app:/cb", "com.grid.app:")])
def test_a_person_sees_where_the_answer_goes(uri: str, place: str) -> None:
    assert place_of(uri) == place
