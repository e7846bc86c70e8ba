"""A person's own factors: who may change them, what is told and sealed."""

import pytest

from identity.domain.people.factors import MAX_FACTORS
from tests.identity.people.authenticator import Authenticator
from tests.identity.people.house import MFA, SESSION, House, codes_of
from tests.identity.people.test_passkeys import add
from tests.identity.world import hidden, parameter


async def test_the_page_needs_a_session(house: House) -> None:
    async with house.browser() as browser:
        answer = await browser.get("/account/factors")
        page = await browser.get(answer.headers["location"])
        back = await house.login(browser, page)

    assert answer.status_code == 303
    assert back.headers["location"] == "/account/factors"


async def test_a_login_older_than_five_minutes_changes_nothing(house: House) -> None:
    async with house.browser() as browser:
        await house.sign_in(browser)
        page = await browser.get("/account/factors")
        house.clock.advance(301)

        answers = [await browser.post(f"/account/factors/{path}", data={"interaction": hidden(page.text), "name": "x"})
                   for path in ("totp", "passkey", "recovery-codes", "totp/x/remove", "passkey/x/rename")]

    assert {answer.status_code for answer in answers} == {303}
    assert all("/login?" in answer.headers["location"] for answer in answers)
    assert await house.pool.fetchval("SELECT count(*) FROM identity.totp_factors") == 0


async def test_a_password_alone_removes_no_factor(house: House) -> None:
    """The last factor goes only after it, or a recovery code for it, was shown."""
    async with house.browser() as own:
        secret, _ = await house.with_app(own)
        own.cookies.delete(SESSION)
        await house.sign_in(own)

        asked = await own.get("/account/factors")
        weak = await house.session_of(own)
        page = await house.second_page(own, await house.login(own, await own.get(asked.headers["location"])))
        back = await house.show(own, page, house.code_of(secret))
        listed = await own.get(back.headers["location"])
        factor_id = listed.text.split("/account/factors/totp/", 1)[1].split("/", 1)[0]
        gone = await own.post(f"/account/factors/totp/{factor_id}/remove", data={"interaction": hidden(listed.text)})

    assert weak is not None
    assert weak.acr != MFA
    assert (back.headers["location"], gone.status_code) == ("/account/factors", 303)
    assert await house.pool.fetchval("SELECT count(*) FROM identity.totp_factors") == 0
    assert await house.pool.fetchval("SELECT count(*) FROM identity.recovery_codes") == 0
    assert house.recorder.of("factor_removed")[0]["grid"]["factor"] == {"kind": "totp", "name": "Phone"}


async def test_each_change_is_sealed_and_mailed(house: House) -> None:
    await house.verified_address()
    async with house.browser() as own:
        secret, _ = await house.with_app(own)
        page = await house.asked(own)
        await house.show(own, page, house.code_of(secret))
        await add(own, Authenticator())
        listed = await own.get("/account/factors")
        codes = await own.post("/account/factors/recovery-codes", data={"interaction": hidden(listed.text)})
        factor_id = listed.text.split("/account/factors/passkey/", 1)[1].split("/", 1)[0]
        form = {"interaction": hidden(listed.text), "name": "Work laptop"}
        await own.post(f"/account/factors/passkey/{factor_id}/rename", data=form)
        renamed = await own.get("/account/factors")
        await own.post(f"/account/factors/passkey/{factor_id}/remove", data=form)

    assert len(codes_of(codes.text)) == 10
    assert "Work laptop" in renamed.text
    assert [len(house.recorder.of(action)) for action in (
        "factor_added", "recovery_codes_made", "factor_renamed", "factor_removed")] == [2, 2, 1, 1]
    assert {mail["factor"] for mail in await house.mails("factor_added")} == {"Phone", "Laptop"}
    assert len(await house.mails("recovery_codes_made")) == 1
    assert [mail["factor"] for mail in await house.mails("factor_removed")] == ["Work laptop"]


async def test_old_recovery_codes_die_with_new_ones(house: House) -> None:
    async with house.browser() as own, house.browser() as other:
        _, codes = await house.with_app(own)
        page = await house.asked(own)
        await house.show(own, page, codes[0])
        listed = await own.get("/account/factors")
        fresh = codes_of((await own.post(
            "/account/factors/recovery-codes", data={"interaction": hidden(listed.text)})).text)
        step = await house.second_page(other, await house.sign_in(other))

        answers = [await house.show(other, step, code) for code in (codes[1], fresh[0])]

    assert [answer.status_code for answer in answers] == [403, 303]


async def test_a_form_of_another_session_or_browser_is_refused(house: House) -> None:
    """CSRF on factors."""
    await house.provider.create_user("mallory", "mallory has a long phrase", roles=frozenset())
    async with house.browser() as victim, house.browser() as attacker:
        await house.sign_in(victim)
        await house.sign_in(attacker, name="mallory", password="mallory has a long phrase")
        form = {"interaction": hidden((await attacker.get("/account/factors")).text)}

        forged = await victim.post("/account/factors/totp", data=form)
        missing = await victim.post("/account/factors/totp", data={"name": "x"})

    assert (forged.status_code, missing.status_code) == (403, 403)
    assert await house.pool.fetchval("SELECT count(*) FROM identity.totp_factors") == 0


async def test_nobody_sees_or_touches_another_persons_factor(house: House) -> None:
    await house.provider.create_user("mallory", "mallory has a long phrase", roles=frozenset())
    async with house.browser() as own, house.browser() as other:
        await house.sign_in(own)
        begun = await own.post("/account/factors/totp", data={
            "interaction": hidden((await own.get("/account/factors")).text)})
        place = begun.headers["location"]
        await house.sign_in(other, name="mallory", password="mallory has a long phrase")
        form = {"interaction": hidden((await other.get("/account/factors")).text), "name": "x", "code": "000000"}

        answers = [await other.get(place), await other.get(f"{place}/qr.svg"),
                   await other.post(place, data=form), await other.post(f"{place}/remove", data=form)]
        picture = await own.get(f"{place}/qr.svg")

    assert [answer.status_code for answer in answers] == [303, 404, 422, 422]
    assert picture.headers["content-type"] == "image/svg+xml"
    assert picture.headers["cache-control"] == "no-store"
    assert picture.text.startswith("<svg")
    assert "<script" not in picture.text


async def test_a_wrong_first_code_enrols_nothing_and_the_secret_is_shown_no_more_afterwards(house: House) -> None:
    async with house.browser() as own:
        await house.sign_in(own)
        begun = await own.post("/account/factors/totp", data={
            "interaction": hidden((await own.get("/account/factors")).text)})
        place = begun.headers["location"]
        page = await own.get(place)
        wrong = await own.post(place, data={"interaction": hidden(page.text), "name": "Phone", "code": "abcdef"})

        assert wrong.status_code == 422
        assert await house.pool.fetchval("SELECT is_confirmed FROM identity.totp_factors") is False
        await house.pool.execute("UPDATE identity.totp_factors SET is_confirmed = true")
        assert (await own.get(f"{place}/qr.svg")).status_code == 403


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\u202eb"])
async def test_a_factor_has_a_name_people_can_read(house: House, name: str) -> None:
    async with house.browser() as own:
        await house.sign_in(own)

        answer = await add(own, Authenticator(), name)

    assert answer.status_code == 422


async def test_there_are_at_most_ten_of_a_kind(house: House) -> None:
    async with house.browser() as own:
        await house.sign_in(own)
        await house.pool.execute(
            """INSERT INTO identity.totp_factors (id, user_id, name, sealed_secret, is_confirmed, created_at_us)
            SELECT 'f' || n, $1, 'n', 'x', false, 1 FROM generate_series(1, $2) n""", house.user.id, MAX_FACTORS)
        await house.pool.execute("UPDATE identity.totp_factors SET is_confirmed = true")
        await house.pool.execute("UPDATE identity.sessions SET acr = $1", MFA)
        page = await own.get("/account/factors")

        answer = await own.post("/account/factors/totp", data={"interaction": hidden(page.text)})

    assert answer.status_code == 422
    assert "10 of these already" in answer.text


async def test_no_change_stands_while_the_ledger_is_down(house: House) -> None:
    async with house.browser() as own:
        await house.sign_in(own)
        house.recorder.is_down = True

        answer = await add(own, Authenticator())

    assert answer.status_code == 503
    assert await house.pool.fetchval("SELECT count(*) FROM identity.passkeys") == 0


async def test_the_pages_speak_albanian(house: House) -> None:
    async with house.browser() as own:
        await house.sign_in(own)
        page = await own.get("/account/factors", headers={"Accept-Language": "sq"})
        login = await own.get((await own.get("/oauth2/authorize", params={
            "response_type": "code", "client_id": "app", "redirect_uri": "https://app.grid.test/callback",
            "scope": "openid", "prompt": "login", "ui_locales": "sq", "login_hint": 'alice"><script>',
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
        })).headers["location"])

    assert "Si hyni" in page.text
    assert '<html lang="sq">' in login.text
    assert 'value="alice&#34;&gt;&lt;script&gt;"' in login.text


async def test_authorize_leads_on_after_the_step(house: House) -> None:
    async with house.browser() as own, house.browser() as other:
        secret, _ = await house.with_app(own)
        page = await house.second_page(other, await house.login(other, await house.page(other, state="s-1")))

        answer = await house.show(other, page, house.code_of(secret))

    assert parameter(answer, "state") == "s-1"
