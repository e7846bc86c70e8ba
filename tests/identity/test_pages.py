"""Login, consent and logout as a browser sees them, and what a hostile page or a guesser gets."""

import time

import httpx2 as httpx
import pytest

from identity.domain.people.login_policy import MAX_ATTEMPTS
from identity.service import IdentityProvider
from shared_kernel.context import RequestContext
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


async def test_the_page_allows_no_script_and_no_frame(world: World) -> None:
    """RFC 9700 section 4.16: clickjacking; and a CSP that names no script source."""
    async with world.browser() as browser:
        page = await login_page(browser)

    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' https://app.grid.test;" in policy
    assert "<script" not in page.text
    assert "style=" not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "same-origin"


async def test_every_input_has_a_label_and_the_style_is_served(world: World) -> None:
    async with world.browser() as browser:
        page = await login_page(browser)
        style = await browser.get("/identity/style.css")

    assert '<label for="name">' in page.text
    assert '<label for="password">' in page.text
    assert style.headers["content-type"].startswith("text/css")
    assert "prefers-color-scheme: dark" in style.text


async def test_cookies_are_host_only_secure_and_out_of_reach_of_scripts(world: World) -> None:
    """RFC 6265bis section 4.1.3."""
    async with world.browser() as browser:
        page = await login_page(browser)
        answer = await world.login(browser, page)

    for cookie in answer.headers.get_list("set-cookie"):
        assert cookie.startswith("__Host-")
        assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= set(cookie.split("; "))
    assert any(cookie.startswith(SESSION) for cookie in answer.headers.get_list("set-cookie"))


async def test_the_session_is_new_at_login_and_a_planted_one_is_worth_nothing(world: World) -> None:
    """RFC 9700 section 4.7 and OWASP: session fixation."""
    async with world.browser() as attacker, world.browser() as victim:
        await world.code_in(attacker)
        planted = attacker.cookies[SESSION]
        victim.cookies.set(SESSION, planted, domain="id.grid.test")
        page = await login_page(victim, prompt="login")

        await world.login(victim, page)

        after = await attacker.get("/oauth2/authorize", params=authorization(prompt="none"))
    assert parameter(after, "error") == "login_required"
    assert planted not in {cookie.value for cookie in victim.cookies.jar}


async def test_wrong_password_unknown_and_locked_accounts_look_the_same(world: World) -> None:
    """User enumeration: same status, same body."""
    await world.provider.create_user("carol", PASSWORD, roles=frozenset())
    await world.provider.lock_account("carol", reason="test", by="test")
    async with world.browser() as browser:
        page = await login_page(browser)

        answers = [await world.login(browser, page, name=name, password=password) for name, password in (
            ("alice", "wrong"), ("nobody", "wrong"), ("carol", PASSWORD), ("", ""), ("a\u0130" * 500, "x"),
            ("alice", "p" * 5_000))]

    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.content for answer in answers}) == 1
    assert not any(SESSION in answer.headers.get("set-cookie", "") for answer in answers)
    reasons = [event["event"]["reason"] for event in world.recorder.of("user_login")]
    assert reasons == ["bad_credentials", "bad_credentials", "locked", *["bad_credentials"] * 3]


async def test_an_unknown_account_costs_the_same_time(world: World) -> None:
    """User enumeration by time: the dummy hash is really computed (bounds are wide, machines are busy)."""
    context = RequestContext(request_id="r")

    async def fastest(name: str) -> float:
        times = []
        for attempt in range(5):
            start = time.perf_counter()
            with pytest.raises(Exception, match="not right"):
                await world.provider.login(name, f"wrong {attempt}", previous=None, context=context)
            times.append(time.perf_counter() - start)
        return min(times)

    known, unknown = await fastest("alice"), await fastest("nobody")

    assert 0.4 < known / unknown < 2.5


async def test_a_login_form_from_another_browser_is_refused(world: World) -> None:
    """Login CSRF: the form's seal verifies only beside the browser's own cookie."""
    async with world.browser() as attacker, world.browser() as victim:
        page = await login_page(attacker)
        await login_page(victim)

        answer = await world.login(victim, page)

    assert answer.status_code == 403
    assert world.recorder.of("user_login") == []


@pytest.mark.parametrize("seal", ["", "x", "x.y", "é.é", "." * 9_000, "e30.e30"])
async def test_a_made_up_form_is_refused(world: World, seal: str) -> None:
    async with world.browser() as browser:
        await login_page(browser)

        answer = await browser.post("/login", data={"interaction": seal, "name": "alice", "password": PASSWORD})

    assert answer.status_code == 403


async def test_a_form_older_than_ten_minutes_is_refused(world: World) -> None:
    async with world.browser() as browser:
        page = await login_page(browser)
        world.clock.advance(601)

        answer = await world.login(browser, page)

    assert answer.status_code == 403


async def test_ten_failures_stop_that_address_and_no_other(world: World) -> None:
    """Lockout is by address and account: never a lever to lock the owner out."""
    async with world.browser() as guesser, world.browser() as owner:
        page, own_page = await login_page(guesser), await login_page(owner)
        for attempt in range(MAX_ATTEMPTS):
            await world.login(guesser, page, password=f"guess {attempt}")

        right = await world.login(guesser, page)
        from_home = await world.login(owner, own_page, **{"X-Test-Address": "198.51.100.9"})
        world.clock.advance(15 * 60 + 1)
        later = await world.login(guesser, await login_page(guesser))

    assert right.status_code == 403
    assert from_home.status_code == 303
    assert later.status_code == 303


async def test_nobody_logs_in_while_the_ledger_is_down_and_nothing_counts(world: World) -> None:
    """Our invariant: no session stands that was not sealed."""
    async with world.browser() as browser:
        page = await login_page(browser)
        world.recorder.is_down = True
        answers = [await world.login(browser, page) for _ in range(MAX_ATTEMPTS + 1)]
        world.recorder.is_down = False

        after = await world.login(browser, page)

    assert {answer.status_code for answer in answers} == {503}
    assert after.status_code == 303
    assert await world.pool.fetchval("SELECT count(*) FROM identity.sessions") == 1


@pytest.mark.parametrize(("risk", "status"), [(0, 303), (79, 303), (80, 403), (100, 403), (None, 403)])
async def test_a_risky_login_is_refused_like_a_wrong_password(world: World, risk: int | None, status: int) -> None:
    """The design: high risk is refused; a model that fails never lets anybody in."""
    accepted: list[tuple[str, str, str]] = []

    async def score(*_: str) -> int:
        if risk is None:
            raise RuntimeError
        return risk

    async def note(*about: str) -> None:
        accepted.append((about[0], about[1], about[2]))

    world.provider.login_desk._risk = score
    world.provider.login_desk._accepted = note
    async with world.browser() as browser:
        answer = await world.login(browser, await login_page(browser))

    assert answer.status_code == status
    event = world.recorder.of("user_login")[0]["event"]
    assert event.get("reason") == (None if status == 303 else "risk")
    assert bool(accepted) is (status == 303)


async def test_a_login_event_names_who_from_where_with_what(world: World) -> None:
    async with world.browser() as browser:
        await world.login(browser, await login_page(browser), password="wrong")

    event = world.recorder.of("user_login")[0]
    assert event["event"]["outcome"] == "failure"
    assert event["user"] == {"id": world.user.id, "name": "alice"}
    assert event["source"]["ip"] == "192.0.2.7"
    assert event["user_agent"]["original"] == "tests"


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


async def test_a_plain_login_ends_on_our_own_page(world: World) -> None:
    async with world.browser() as browser:
        answer = await world.login(browser, await browser.get("/login"))
        page = await browser.get(answer.headers["location"])

    assert answer.status_code == 303
    assert "Welcome, alice" in page.text


async def test_a_flood_of_logins_is_told_to_slow_down(world: World) -> None:
    """Argon2 is bounded: the queue is short and the rest hears 429."""
    provider: IdentityProvider = world.provider
    provider._passwords._waiting = 100
    async with world.browser() as browser:
        answer = await world.login(browser, await login_page(browser))

    assert answer.status_code == 429


async def test_a_request_as_long_as_we_take_survives_the_login_form(world: World) -> None:
    """The form carries the whole query and a password of 1,024 percent-encoded bytes, and still fits."""
    password = "lamp kettle orchid quarry " + "\u00fc" * 499
    await world.provider.create_user("dora", password, roles=frozenset())
    async with world.browser() as browser:
        page = await login_page(browser, state="s" * 1_000, nonce="n" * 1_000, unknown="u" * 1_500)

        answer = await world.login(browser, page, name="dora", password=password)

    assert has_parameter(answer, "code")
