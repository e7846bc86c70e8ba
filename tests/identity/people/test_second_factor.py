"""The second factor as a browser sees it, and the state between password and session."""

import asyncio

import httpx2 as httpx
import pytest

from identity.domain.people.login_policy import MAX_ATTEMPTS, MAX_STEP_TRIES
from tests.identity.people.conftest import Judge
from tests.identity.people.house import DEVICE, MFA, SESSION, STEP, House, options_of
from tests.identity.world import authorization, has_parameter, hidden, parameter

ELSEWHERE = {"X-Test-Address": "198.51.100.9"}


async def test_an_app_is_enrolled_and_asked_for_on_an_unknown_device(house: House) -> None:
    async with house.browser() as own, house.browser() as other:
        secret, codes = await house.with_app(own)

        page = await house.second_page(other, await house.sign_in(other))
        answer = await house.show(other, page, house.code_of(secret))

        session = await house.session_of(other)
    assert len(set(codes)) == 10
    assert answer.status_code == 303
    assert session is not None
    assert session.amr == ("mfa", "otp", "pwd")
    assert session.acr == MFA
    login = house.recorder.of("user_login")[-1]
    assert login["grid"]["login"]["method"] == "totp"
    assert login["grid"]["login"]["amr"] == ["mfa", "otp", "pwd"]


async def test_a_known_device_is_not_asked_again(house: House) -> None:
    async with house.browser() as own:
        await house.with_app(own)
        own.cookies.delete(SESSION)

        answer = await house.sign_in(own)

        session = await house.session_of(own)
    assert answer.headers["location"].endswith("/login")
    assert session is not None
    assert session.amr == ("pwd",)


async def test_a_device_forgotten_for_ninety_days_is_unknown(house: House) -> None:
    async with house.browser() as own:
        await house.with_app(own)
        device = own.cookies[DEVICE]
        house.clock.advance(91 * 86_400)
        own.cookies.delete(SESSION)
        own.cookies.set(DEVICE, device, domain="id.grid.test")

        answer = await house.sign_in(own)

    assert "/login/factor?" in answer.headers["location"]


async def test_wanted_mfa_asks_on_a_known_device_too(house: House) -> None:
    """RFC 9470 section 5: acr_values."""
    async with house.browser() as own:
        secret, _ = await house.with_app(own)
        own.cookies.delete(SESSION)
        first = await house.login(own, await house.page(own, acr_values=MFA))

        answer = await house.show(own, await house.second_page(own, first), house.code_of(secret))

    assert has_parameter(answer, "code")


async def test_a_live_session_steps_up_and_keeps_its_id(house: House) -> None:
    """RFC 9470; OWASP session fixation: the cookie is new, the `sid` other applications know stays."""
    async with house.browser() as own:
        secret, _ = await house.with_app(own)
        own.cookies.delete(SESSION)
        await house.sign_in(own)
        before, cookie = await house.session_of(own), own.cookies[SESSION]
        asked = await own.get("/oauth2/authorize", params=authorization(acr_values=MFA))
        led = await own.get(asked.headers["location"])

        answer = await house.show(own, await house.second_page(own, led), house.code_of(secret))

        after = await house.session_of(own)
    assert has_parameter(answer, "code")
    assert before is not None
    assert after is not None
    assert (before.acr, after.acr) == ("urn:gridwarden:acr:password", MFA)
    assert before.id == after.id
    assert before.authenticated_at_us == after.authenticated_at_us
    assert await house.provider.session(cookie) is None
    assert house.recorder.of("step_up")[-1]["event"]["outcome"] == "success"


async def test_a_half_authenticated_browser_is_nobody(house: House) -> None:
    """The design's list: half-authenticated session at /authorize."""
    async with house.browser() as own, house.browser() as other:
        await house.with_app(own)
        page = await house.second_page(other, await house.sign_in(other))

        is_nobody = await house.is_nobody(other)
        factors = await other.get("/account/factors")

        assert is_nobody
        assert SESSION not in other.cookies
        assert STEP in other.cookies
        assert "/login?" in factors.headers["location"]
        other.cookies.set(SESSION, other.cookies[STEP], domain="id.grid.test")
        assert await house.is_nobody(other)
    assert page.status_code == 200


async def test_a_code_is_taken_once_in_its_step(house: House) -> None:
    """RFC 6238 section 5.2."""
    async with house.browser() as own, house.browser() as one, house.browser() as two:
        secret, _ = await house.with_app(own)
        pages = [await house.second_page(each, await house.sign_in(each)) for each in (one, two)]
        code = house.code_of(secret)

        answers = [await house.show(browser, page, code) for browser, page in zip((one, two), pages, strict=True)]

    assert [answer.status_code for answer in answers] == [303, 403]


async def test_of_twenty_parallel_uses_of_a_code_one_wins(house: House) -> None:
    """RFC 6238 section 5.2, under concurrency on PostgreSQL."""
    async with house.browser() as own:
        secret, _ = await house.with_app(own)
        browsers = [house.browser() for _ in range(5)]
        pages = [await house.second_page(each, await house.sign_in(each)) for each in browsers]
        code = house.code_of(secret)

        answers = await asyncio.gather(*(
            house.show(browser, page, code) for browser, page in zip(browsers, pages, strict=True) for _ in range(4)))

        for browser in browsers:
            await browser.aclose()
    assert [answer.status_code for answer in answers].count(303) == 1


@pytest.mark.parametrize(("steps", "status"), [(-2, 403), (-1, 303), (0, 303), (1, 303), (2, 403)])
async def test_a_code_is_good_one_step_around_now(house: House, steps: int, status: int) -> None:
    """RFC 6238 section 6."""
    async with house.browser() as own, house.browser() as other:
        secret, _ = await house.with_app(own)
        page = await house.second_page(other, await house.sign_in(other))
        house.clock.advance(30)

        answer = await house.show(other, page, house.code_of(secret, steps))

    assert answer.status_code == status


async def test_a_step_ends_after_five_wrong_codes_even_for_the_right_one(house: House) -> None:
    async with house.browser() as own, house.browser() as other:
        secret, _ = await house.with_app(own)
        page = await house.second_page(other, await house.sign_in(other))
        wrong = [await house.show(other, page, f"00000{number}") for number in range(MAX_STEP_TRIES)]

        right = await house.show(other, page, house.code_of(secret))

        assert await house.is_nobody(other)
    assert {answer.status_code for answer in wrong} == {403}
    assert right.status_code == 403
    assert "Start again" in right.text
    failures = [event for event in house.recorder.of("user_login") if event["event"]["outcome"] == "failure"]
    assert len(failures) == MAX_STEP_TRIES
    assert failures[0]["event"]["reason"] == "bad_credentials"


async def test_fresh_logins_do_not_give_more_guesses(house: House) -> None:
    """Brute force over many steps: ten wrong factors in fifteen minutes, and a known device has its own ten."""
    async with house.browser() as own:
        secret, _ = await house.with_app(own)
        own.cookies.delete(SESSION)
        for number in range(MAX_ATTEMPTS // 5 + 1):
            async with house.browser() as guesser:
                headers = {"X-Test-Address": f"203.0.113.{number}"}
                page = await house.second_page(guesser, await house.sign_in(guesser, **headers), **headers)
                for _ in range(MAX_STEP_TRIES):
                    await house.show(guesser, page, "000000", **headers)

        async with house.browser() as other:
            page = await house.second_page(other, await house.sign_in(other, **ELSEWHERE), **ELSEWHERE)
            refused = await house.show(other, page, house.code_of(secret), **ELSEWHERE)
        first = await house.login(own, await house.page(own, acr_values=MFA))
        at_home = await house.show(own, await house.second_page(own, first), house.code_of(secret))

    assert refused.status_code == 403
    assert has_parameter(at_home, "code")


async def test_twenty_parallel_guesses_are_five(house: House) -> None:
    async with house.browser() as own, house.browser() as other:
        await house.with_app(own)
        page = await house.second_page(other, await house.sign_in(other))

        await asyncio.gather(*(house.show(other, page, f"{number:06}") for number in range(20)))

    assert await house.pool.fetchval("SELECT max(tries) FROM identity.login_steps") == MAX_STEP_TRIES


async def test_a_step_is_over_after_ten_minutes(house: House) -> None:
    async with house.browser() as own, house.browser() as other:
        secret, _ = await house.with_app(own)
        page = await house.second_page(other, await house.sign_in(other))
        house.clock.advance(601)

        answer = await house.show(other, page, house.code_of(secret))

        assert await house.is_nobody(other)
    assert answer.status_code == 403


async def test_an_account_locked_meanwhile_stops_at_once(house: House) -> None:
    async with house.browser() as own, house.browser() as other:
        secret, _ = await house.with_app(own)
        page = await house.second_page(other, await house.sign_in(other))
        await house.provider.lock_account("alice", reason="test", by="test")

        answer = await house.show(other, page, house.code_of(secret))

        assert await house.is_nobody(other)
    assert answer.status_code == 403


async def test_a_step_is_worth_nothing_in_another_browser(house: House) -> None:
    """CSRF on MFA: the form is sealed for the browser, the step for its cookie."""
    async with house.browser() as own, house.browser() as victim, house.browser() as attacker:
        secret, _ = await house.with_app(own)
        page = await house.second_page(victim, await house.sign_in(victim))
        await attacker.get("/login")

        forged = await house.show(attacker, page, house.code_of(secret))
        without_step = await attacker.post("/login/factor", data={
            "interaction": hidden((await attacker.get("/login")).text), "code": house.code_of(secret)})

        assert await house.is_nobody(attacker)
    assert (forged.status_code, without_step.status_code) == (403, 403)


async def test_a_recovery_code_is_good_once(house: House) -> None:
    async with house.browser() as own:
        _, codes = await house.with_app(own)
        answers = []
        for typed in (codes[0].replace("-", " ").upper(), codes[0]):
            async with house.browser() as other:
                page = await house.second_page(other, await house.sign_in(other))
                answers.append(await house.show(other, page, typed))

    assert [answer.status_code for answer in answers] == [303, 403]
    assert house.recorder.of("user_login")[-2]["grid"]["login"]["method"] == "recovery"


async def test_codes_are_stored_as_hashes_and_secrets_sealed(house: House) -> None:
    async with house.browser() as own:
        secret, codes = await house.with_app(own)

    rows = await house.pool.fetch("SELECT * FROM identity.recovery_codes")
    stored = await house.pool.fetchval("SELECT sealed_secret FROM identity.totp_factors")
    assert len(rows) == 10
    assert secret not in stored
    assert not any(code.replace("-", "").encode() in bytes(row["code_hash"]) for code in codes for row in rows)


async def test_nobody_gets_in_while_the_ledger_is_down_and_the_code_is_not_used_up(house: House) -> None:
    """Our invariant: no session stands that was not sealed."""
    async with house.browser() as own, house.browser() as other:
        secret, _ = await house.with_app(own)
        page = await house.second_page(other, await house.sign_in(other))
        house.recorder.is_down = True
        down = await house.show(other, page, house.code_of(secret))
        house.recorder.is_down = False

        after = await house.show(other, page, house.code_of(secret))

    assert (down.status_code, after.status_code) == (503, 303)


async def test_the_planted_session_of_a_fixation_is_not_the_one_that_steps_up(house: House) -> None:
    """Session fixation at step-up: whoever planted the cookie holds one that ended."""
    async with house.browser() as own, house.browser() as attacker:
        secret, _ = await house.with_app(own)
        own.cookies.delete(SESSION)
        await house.sign_in(own)
        attacker.cookies.set(SESSION, own.cookies[SESSION], domain="id.grid.test")
        led = await own.get((await own.get(
            "/oauth2/authorize", params=authorization(acr_values=MFA))).headers["location"])

        await house.show(own, await house.second_page(own, led), house.code_of(secret))

        assert await house.is_nobody(attacker)
        assert not await house.is_nobody(own)


async def test_the_password_page_asks_the_same_of_passkeys_for_everybody(house: House) -> None:
    """User enumeration by passkey options: they name nobody's credentials."""
    async with house.browser() as browser:
        page = await browser.get("/login")
        answers = [await house.login(browser, page, name=name, password="wrong") for name in ("alice", "nobody")]

    assert answers[0].content == answers[1].content
    assert '"allowCredentials": []' in options_of(page.text) or "allowCredentials" not in options_of(page.text)


async def test_a_person_who_must_step_up_without_a_factor_is_mailed_a_code(house: House, judge: Judge) -> None:
    """A mailed code lets in, and is never half of `mfa` (NIST SP 800-63B-4 3.1.3.1)."""
    await house.verified_address()
    judge.score = 60
    async with house.browser() as browser:
        answer = await house.login(browser, await house.page(browser))
        page = await house.second_page(browser, answer)
        sent = await browser.post("/login/factor", data={"interaction": hidden(page.text), "mail": "yes"})
        again = await browser.post("/login/factor", data={"interaction": hidden(page.text), "mail": "yes"})
        form = await browser.get(sent.headers["location"])
        code = (await house.mails("login_code"))[0]["code"]

        wrong = await house.show(browser, form, "00000000" if code != "00000000" else "11111111")
        right = await house.show(browser, form, code)

        session = await house.session_of(browser)
    assert (sent.status_code, again.status_code) == (303, 303)
    assert len(await house.mails("login_code")) == 1
    assert (wrong.status_code, right.status_code) == (403, 303)
    assert has_parameter(right, "code")
    assert session is not None
    assert (session.amr, session.acr) == (("otp", "pwd"), "urn:gridwarden:acr:password")


async def test_without_an_address_the_refusal_is_the_uniform_one(house: House, judge: Judge) -> None:
    judge.score = 60
    async with house.browser() as browser:
        page = await browser.get("/login")
        right = await house.login(browser, page)
        wrong = await house.login(browser, page, password="wrong")

    assert (right.status_code, right.content) == (wrong.status_code, wrong.content)
    first = house.recorder.of("user_login")[0]
    assert first["event"]["reason"] == "risk"
    assert first["grid"]["login"]["no_factor"] is True


async def test_the_step_page_fits_what_the_person_has(house: House) -> None:
    async with house.browser() as own, house.browser() as other:
        await house.with_app(own)

        page = await house.second_page(other, await house.sign_in(other))

    assert 'id="code"' in page.text
    assert 'id="continue"' in page.text
    assert "use-passkey" not in page.text
    assert "script-src" not in page.headers["content-security-policy"]
    assert parameter(httpx.Response(303, headers={"location": str(page.url)}), "interaction")
