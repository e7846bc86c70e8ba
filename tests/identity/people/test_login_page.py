"""The login page as a browser sees it, and what a hostile page or a guesser gets."""

from pathlib import Path
from typing import Literal

import asyncpg
import httpx2 as httpx
import pytest
from argon2 import PasswordHasher

from identity.adapters.key_files import KeyFiles
from identity.domain.oauth.errors import LoginRefusedError
from identity.domain.people.login_policy import MAX_ATTEMPTS
from identity.service import IdentityProvider
from identity.service.people.outcomes import Visit
from identity.service.people.passwords import Passwords
from identity.store.database import Database
from shared_kernel.context import RequestContext
from tests.frozen_clock import FrozenClock
from tests.identity.world import ISSUER, PASSWORD, ListRecorder, World, authorization, has_parameter, parameter

SESSION = "__Host-gw_session"


class CountingHasher(PasswordHasher):
    """Keeps the hashes it compared with."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - argon2's name
        """Compare."""
        self.verified.append(str(hash))
        return super().verify(hash, password)


async def login_page(browser: httpx.AsyncClient, **changes: str) -> httpx.Response:
    answer = await browser.get("/oauth2/authorize", params=authorization(**changes))
    return await browser.get(answer.headers["location"])


async def test_the_page_allows_no_inline_script_and_no_frame(world: World) -> None:
    """RFC 9700 section 4.16: clickjacking; and a CSP that allows only our own script files."""
    async with world.browser() as browser:
        page = await login_page(browser)

    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' https: https://app.grid.test;" in policy
    assert page.text.count("<script") == page.text.count("<script src=") == 1
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


async def test_an_unknown_account_costs_the_same_work(
    app_pool: asyncpg.Pool, clock: FrozenClock, tmp_path: Path,
) -> None:
    """User enumeration by time: a dummy hash, as dear as a real one, is really computed."""
    hasher = CountingHasher()
    provider = IdentityProvider(Database(app_pool), ListRecorder(), clock, issuer=ISSUER,
                                keys=KeyFiles(tmp_path / "keys"), passwords=Passwords(hasher))
    await provider.create_user("alice", PASSWORD, roles=frozenset())

    for name in ("alice", "nobody"):
        with pytest.raises(LoginRefusedError):
            await provider.login(name, "wrong", visit=Visit(), context=RequestContext(request_id="r"))
    provider.close()

    known, unknown = hasher.verified
    assert known.rpartition("$")[0].rpartition("$")[0] == unknown.rpartition("$")[0].rpartition("$")[0]


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


async def test_a_login_event_names_who_from_where_with_what(world: World) -> None:
    async with world.browser() as browser:
        await world.login(browser, await login_page(browser), password="wrong")

    event = world.recorder.of("user_login")[0]
    assert event["event"]["outcome"] == "failure"
    assert event["user"] == {"id": world.user.id, "name": "alice"}
    assert event["source"]["ip"] == "192.0.2.7"
    assert event["user_agent"]["original"] == "tests"


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
