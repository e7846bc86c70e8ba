"""Signing in and out of the console, and what an attacker may not do with it."""

import asyncio

import pytest
from joserfc.jwk import ECKey

from control_plane.console.answers import local_path
from control_plane.console.sessions import MAX_STRANGERS, ConsoleSessions
from tests.control_plane.console_city import City, problem

HTMX = {"hx-request": "true", "hx-current-url": "http://console.test/alerts?status=New"}


@pytest.fixture
def city() -> City:
    return City()


async def test_signing_in_leads_to_the_page_wanted_under_a_new_session_id(city: City) -> None:
    begun = await city.browser.get("/sign-in?then=/alerts")
    before = city.browser.cookies["gridwarden_console"]
    answered = await city.at_gateway(begun.headers["location"])

    ended = await city.browser.get(answered.headers["location"])

    assert (ended.status_code, ended.headers["location"]) == (303, "/alerts")
    assert city.browser.cookies["gridwarden_console"] != before
    assert city.console.sessions.find(before) is None
    assert {"HttpOnly", "SameSite=lax"} <= set(ended.headers["set-cookie"].split("; "))


async def test_over_https_the_cookie_is_secure_and_bound_to_the_host() -> None:
    city = City("https://console.test")

    await city.sign_in()
    page = await city.browser.get("/alerts")

    assert "__Host-gridwarden_console" in city.browser.cookies
    assert "strict-transport-security" in page.headers


@pytest.mark.parametrize("changes", [{"state": "another"}, {"iss": "http://evil.test"}, {"iss": ""}, {"code": "forged"},
                                     {"code": ""}])
async def test_an_answer_that_does_not_belong_here_signs_nobody_in(city: City, changes: dict[str, str]) -> None:
    city.gateway.redirect = changes

    ended = await city.sign_in()

    assert ended.status_code == 403
    assert (await city.browser.get("/alerts")).status_code == 303


@pytest.mark.parametrize("claims", [{"nonce": "another"}, {"nonce": None}, {"aud": "another"}, {"iss": "http://evil"},
                                    {"exp": 1}])
async def test_an_id_token_for_somebody_else_signs_nobody_in(city: City, claims: dict[str, object]) -> None:
    city.gateway.claims = claims

    assert (await city.sign_in()).status_code == 403
    assert (await city.browser.get("/alerts")).status_code == 303


async def test_an_id_token_signed_by_another_key_signs_nobody_in(city: City) -> None:
    city.gateway.signing_key = ECKey.generate_key("P-256", {"kid": "one"})

    assert (await city.sign_in()).status_code == 403


async def test_a_callback_in_another_browser_signs_nobody_in(city: City) -> None:
    begun = await city.browser.get("/sign-in")
    answered = await city.at_gateway(begun.headers["location"])

    ended = await city.new_browser().get(answered.headers["location"])

    assert ended.status_code == 403


@pytest.mark.parametrize("path", [
    "//evil.test", "/\\evil.test", "https://evil.test", "/\tevil", "evil", "/" + "a" * 3000,
])
def test_the_way_back_is_never_an_open_redirect(path: str) -> None:
    assert local_path(path) == "/grid"


async def test_an_expired_token_is_renewed_once_for_all_tabs(city: City) -> None:
    await city.sign_in()
    city.gateway.access = "expired meanwhile"

    pages = await asyncio.gather(*(city.browser.get("/alerts") for _ in range(8)))

    assert {page.status_code for page in pages} == {200}
    assert city.gateway.refreshes == 1


async def test_a_dead_grant_leads_to_sign_in_and_htmx_and_the_chart_in_their_own_way(city: City) -> None:
    await city.sign_in()
    city.gateway.access = city.gateway.refresh = "revoked"

    page = await city.browser.get("/alerts?status=New")
    fragment = await city.browser.get("/alerts", headers=HTMX)
    data = await city.browser.get("/grid/data", headers={"accept": "application/json"})

    assert page.headers["location"] == "/sign-in?then=%2Falerts%3Fstatus%3DNew"
    assert fragment.headers["hx-redirect"] == "/sign-in?then=%2Falerts%3Fstatus%3DNew"
    assert (data.status_code, data.json()["sign_in"]) == (401, "/sign-in")


async def test_a_provider_that_is_gone_during_sign_in_is_said(city: City) -> None:
    begun = await city.browser.get("/sign-in")
    answered = await city.at_gateway(begun.headers["location"])
    city.gateway.is_down = True

    assert (await city.browser.get(answered.headers["location"])).status_code == 502


async def test_signing_out_takes_a_form_of_ours_and_ends_the_session(city: City) -> None:
    await city.sign_in()

    by_link = await city.browser.get("/sign-out")
    forged = await city.browser.post("/sign-out", data={"form_token": "f" * 64})
    done = await city.submit("/sign-out")

    assert (by_link.status_code, forged.status_code, done.status_code) == (405, 403, 303)
    assert done.headers["location"].startswith("http://gateway.test/oauth2/logout?")
    assert len(city.console.sessions) == 0


async def test_a_form_without_its_token_changes_nothing(city: City) -> None:
    await city.sign_in()

    refused = await city.browser.post("/ledger/verify", data={"form_token": "ü"})
    large = await city.browser.post("/ledger/verify", data={"form_token": "a" * 20_000})
    other = await city.browser.post("/ledger/verify", json={})

    assert [answer.status_code for answer in (refused, large, other)] == [403, 413, 415]
    assert not city.gateway.asked


@pytest.mark.parametrize("path", ["/", "/sign-in", "/signed-out", "/nowhere", "/static/nothing", "/static/console.css",
                                  "/static/vendor/htmx-2.0.11.min.js", "/alerts"])
async def test_every_answer_carries_the_strict_headers(city: City, path: str) -> None:
    answer = await city.browser.get(path)

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_failure_of_ours_tells_nothing_but_a_request_id(city: City) -> None:
    await city.sign_in()
    city.gateway.answers["GET /api/v1/ledger/entries/3"] = {"secret-detail": 1}

    page = await city.browser.get("/ledger/entries/3")

    assert page.status_code == 500
    assert page.headers["x-request-id"] in page.text
    assert "secret-detail" not in page.text
    assert "KeyError" not in page.text
    assert "content-security-policy" in page.headers
    assert problem(500, "x").status_code == 500


def test_a_flood_of_strangers_ends_no_session() -> None:
    sessions = ConsoleSessions()
    person = sessions.renew(sessions.start())

    for _ in range(MAX_STRANGERS + 50):
        sessions.start()

    assert sessions.find(person.session_id) is person
    assert len(sessions) == MAX_STRANGERS + 1


def test_a_session_ends_by_itself() -> None:
    now = [0.0]
    sessions = ConsoleSessions(lambda: now[0])
    person = sessions.renew(sessions.start())

    now[0] = 8 * 3600 + 1

    assert sessions.find(person.session_id) is None
    assert len(sessions) == 0
