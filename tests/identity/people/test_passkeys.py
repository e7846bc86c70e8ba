"""Passkeys: enrolled, shown as first and as second factor, and every lie an authenticator or a page can tell."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx2 as httpx
import pytest

from identity.domain.people.challenges import LIFETIME_S
from tests.identity.people.authenticator import BE, BS, UP, UV, Authenticator
from tests.identity.people.house import PHR, SESSION, House, options_of
from tests.identity.world import authorization, has_parameter, hidden, parameter


async def enrol(house: House, browser: httpx.AsyncClient, authenticator: Authenticator,
                name: str = "Laptop") -> httpx.Response:
    """Log alice in and add a passkey."""
    await house.sign_in(browser)
    return await add(browser, authenticator, name)


async def add(browser: httpx.AsyncClient, authenticator: Authenticator, name: str = "Laptop") -> httpx.Response:
    page = await browser.get("/account/factors")
    return await browser.post("/account/factors/passkey", data={
        "interaction": hidden(page.text), "name": name, "credential": authenticator.create(options_of(page.text))})


async def passkey_login(browser: httpx.AsyncClient, authenticator: Authenticator,
                        page: httpx.Response | None = None) -> httpx.Response:
    """Log in with the passkey alone."""
    page = page or await browser.get("/login")
    return await browser.post("/login", data={
        "interaction": hidden(page.text), "credential": authenticator.get(options_of(page.text))})


async def second_factor(browser: httpx.AsyncClient, page: httpx.Response,
                        authenticator: Authenticator) -> httpx.Response:
    return await browser.post("/login/factor", data={
        "interaction": hidden(page.text), "credential": authenticator.get(options_of(page.text))})


async def test_a_passkey_is_a_first_factor(house: House) -> None:
    """RFC 8176: `pop`, `hwk` as it cannot be copied, `user`, and `mfa` as its holder was verified."""
    authenticator = Authenticator()
    async with house.browser() as own, house.browser() as other:
        enrolled = await enrol(house, own, authenticator)
        authenticator.sign_count += 1

        answer = await passkey_login(other, authenticator, await house.page(other))

        session = await house.session_of(other)
    assert "recovery-codes" in enrolled.text
    assert has_parameter(answer, "code")
    assert session is not None
    assert (session.amr, session.acr) == (("pop", "user", "hwk", "mfa"), PHR)
    assert house.recorder.of("user_login")[-1]["grid"]["login"]["method"] == "passkey"


async def test_a_passkey_is_a_second_factor_without_verification_too(house: House) -> None:
    authenticator = Authenticator()
    async with house.browser() as own, house.browser() as other:
        await enrol(house, own, authenticator)
        authenticator.sign_count, authenticator.flags = 2, UP
        page = await house.second_page(other, await house.sign_in(other))

        answer = await second_factor(other, page, authenticator)

        session = await house.session_of(other)
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert json.loads(options_of(page.text))["allowCredentials"][0]["transports"] == ["internal"]
    assert answer.status_code == 303
    assert session is not None
    assert (session.amr, session.acr) == (("hwk", "mfa", "pop", "pwd", "user"), PHR)


async def test_enrolment_excludes_what_is_there_and_asks_for_no_attestation(house: House) -> None:
    authenticator = Authenticator()
    async with house.browser() as own:
        await enrol(house, own, authenticator)
        await passkey_login(own, replace(authenticator, sign_count=2), await house.page(own, prompt="login"))

        asked = json.loads(options_of((await own.get("/account/factors")).text))

    assert len(asked["excludeCredentials"]) == 1
    assert asked["attestation"] == "none"
    assert asked["rp"] == {"name": "Gridwarden", "id": "id.grid.test"}
    assert "alice" not in str(authenticator.user_handle)


LIES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("another origin", {"origin": "https://id.grid.test.evil.test"}, "assertion_not_verified"),
    ("a port", {"origin": "https://id.grid.test:8443"}, "assertion_not_verified"),
    ("plain http", {"origin": "http://id.grid.test"}, "assertion_not_verified"),
    ("another relying party", {"rp_id": "grid.test"}, "assertion_not_verified"),
    ("a foreign frame", {"client_data": {"crossOrigin": True}}, "foreign_frame"),
    ("a top origin", {"client_data": {"topOrigin": "https://evil.test"}}, "foreign_frame"),
    ("the wrong ceremony", {"client_data": {"type": "webauthn.create"}}, "assertion_not_verified"),
    ("nobody present", {"flags": UV}, "assertion_not_verified"),
    ("nobody verified", {"flags": UP}, "assertion_not_verified"),
    ("a counter that stands still", {"sign_count": 1}, "sign_count_went_back"),
    ("a counter that went back", {"sign_count": 0}, "sign_count_went_back"),
    ("became copyable", {"flags": UP | UV | BE}, "backup_eligibility_changed"),
    ("backed up without being copyable", {"flags": UP | UV | BS}, "assertion_not_verified"),
    ("another person's handle", {"user_handle": b"mallory"}, "foreign_user_handle"),
    ("no handle", {"user_handle": None}, "foreign_user_handle"),
    ("an unknown credential", {"credential_id": b"nobody"}, "unknown_credential"),
    ("a made-up challenge", {"client_data": {"challenge": "AAAA"}}, "foreign_challenge"),
    ("no challenge", {"client_data": {"challenge": None}}, "foreign_challenge"),
    ("another key", {"key": Authenticator().key}, "assertion_not_verified"),
)


@pytest.mark.parametrize(("lie", "why"), [(lie, why) for _, lie, why in LIES], ids=[name for name, _, _ in LIES])
async def test_a_lie_is_refused_like_a_wrong_password(house: House, lie: dict[str, Any], why: str) -> None:
    """WebAuthn 3 section 7.2: each step of the verification, and 6.1.1: a signature counter that does not rise."""
    authenticator = Authenticator()
    async with house.browser() as own, house.browser() as other:
        await enrol(house, own, authenticator)
        page = await other.get("/login")
        wrong = await house.login(other, page, password="wrong")

        answer = await passkey_login(other, replace(authenticator, **({"sign_count": 2} | lie)), page)

        assert await house.is_nobody(other)
    assert (answer.status_code, answer.content) == (403, wrong.content)
    event = house.recorder.of("user_login")[-1]
    assert event["event"]["outcome"] == "failure"
    assert event["grid"]["login"]["why"] == why


@pytest.mark.parametrize("answer", [
    "", "x", "[]", "null", '"x"', "{}", '{"response": []}', '{"response": {"clientDataJSON": "AAAA"}}',
    '{"response": {"clientDataJSON": 7}}', "[" * 100_000, '{"a":' * 200 + "1" + "}" * 200, '{"response":{}}' * 2,
    '{"response": {"clientDataJSON": "' + "A" * 20_000 + '"}}', "\ud800".encode("utf-8", "replace").decode(),
])
async def test_what_is_no_answer_is_refused(house: House, answer: str) -> None:
    """The design's list: nested-JSON bomb."""
    async with house.browser() as browser:
        page = await browser.get("/login")
        refused = await browser.post("/login", data={
            "interaction": hidden(page.text), "credential": answer[:60_000]})

        assert await house.is_nobody(browser)
    assert refused.status_code in {400, 403}


async def test_a_challenge_is_good_once(house: House) -> None:
    """WebAuthn 3 section 13.4.3: replay."""
    authenticator = Authenticator()
    async with house.browser() as own, house.browser() as other:
        await enrol(house, own, authenticator)
        page = await other.get("/login")
        authenticator.sign_count = 2
        first = await passkey_login(other, authenticator, page)
        authenticator.sign_count = 3

        again = await passkey_login(other, authenticator, page)

    assert (first.status_code, again.status_code) == (303, 403)
    assert house.recorder.of("user_login")[-1]["grid"]["login"]["why"] == "challenge_used_before"


async def test_of_twenty_parallel_uses_of_an_answer_one_wins(house: House) -> None:
    authenticator = Authenticator(sign_count=0)
    async with house.browser() as own, house.browser() as other:
        await enrol(house, own, authenticator)
        page = await other.get("/login")
        form = {"interaction": hidden(page.text), "credential": authenticator.get(options_of(page.text))}

        answers = await asyncio.gather(*(other.post("/login", data=form) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [303, *[403] * 19]


async def test_a_challenge_of_another_browser_or_purpose_or_time_is_refused(house: House) -> None:
    authenticator = Authenticator()
    async with house.browser() as own, house.browser() as other, house.browser() as third:
        await enrol(house, own, authenticator)
        authenticator.sign_count = 2
        foreign = options_of((await third.get("/login")).text)
        second = options_of((await house.second_page(other, await house.sign_in(other))).text)
        page = await other.get("/login")
        form = {"interaction": hidden(page.text)}

        answers = [await other.post("/login", data=form | {"credential": authenticator.get(options)})
                   for options in (foreign, second)]
        old = authenticator.get(options_of(page.text))
        house.clock.advance(LIFETIME_S + 1)
        fresh = await other.get("/login")
        late = await other.post("/login", data={"interaction": hidden(fresh.text), "credential": old})

    assert [answer.status_code for answer in (*answers, late)] == [403] * 3
    whys = [event["grid"]["login"]["why"] for event in house.recorder.of("user_login")[-3:]]
    assert whys == ["foreign_challenge"] * 3


async def test_a_synced_passkey_is_no_hardware_key(house: House) -> None:
    authenticator = Authenticator(flags=UP | UV | BE | BS, sign_count=0)
    async with house.browser() as own, house.browser() as other:
        await enrol(house, own, authenticator)

        await passkey_login(other, authenticator)
        again = await passkey_login(other, authenticator, await house.page(other, prompt="login"))

        session = await house.session_of(other)
        listed = await other.get("/account/factors")
    assert again.status_code == 303
    assert session is not None
    assert session.amr == ("pop", "user", "mfa")
    assert "Synced between your devices" in listed.text


async def test_the_passkey_of_a_locked_person_is_refused_the_same_way(house: House) -> None:
    authenticator = Authenticator(sign_count=0)
    async with house.browser() as own, house.browser() as other:
        await enrol(house, own, authenticator)
        await house.provider.lock_account("alice", reason="test", by="test")
        page = await other.get("/login")

        refused = await passkey_login(other, authenticator, page)
        unknown = await passkey_login(other, Authenticator(credential_id=b"x"), page)

    assert (refused.status_code, refused.content) == (unknown.status_code, unknown.content)
    assert house.recorder.of("user_login")[-2]["event"]["reason"] == "locked"


async def test_a_passkey_of_another_person_is_no_second_factor(house: House) -> None:
    await house.provider.create_user("mallory", "mallory has a long phrase", roles=frozenset())
    hers, his = Authenticator(sign_count=0), Authenticator(sign_count=0, credential_id=b"credential-0002")
    async with house.browser() as own, house.browser() as his_browser, house.browser() as other:
        await enrol(house, own, hers)
        await house.sign_in(his_browser, name="mallory", password="mallory has a long phrase")
        await add(his_browser, his)
        page = await house.second_page(other, await house.sign_in(other))

        answer = await second_factor(other, page, his)

        assert await house.is_nobody(other)
    assert answer.status_code == 403
    assert house.recorder.of("user_login")[-1]["grid"]["login"]["why"] == "foreign_credential"


@pytest.mark.parametrize("lie", [
    {"origin": "https://evil.test"}, {"rp_id": "evil.test"}, {"client_data": {"type": "webauthn.get"}},
    {"client_data": {"challenge": "AAAA"}}, {"flags": UV}, {"client_data": {"crossOrigin": True}},
])
async def test_an_enrolment_that_lies_adds_nothing(house: House, lie: dict[str, Any]) -> None:
    """WebAuthn 3 section 7.1."""
    async with house.browser() as own:
        answer = await enrol(house, own, Authenticator(**lie))

    assert answer.status_code == 422
    assert await house.pool.fetchval("SELECT count(*) FROM identity.passkeys") == 0
    assert house.recorder.of("factor_added") == []


async def test_a_credential_id_belongs_to_one_person(house: House) -> None:
    """WebAuthn 3 section 7.1 step 27."""
    await house.provider.create_user("mallory", "mallory has a long phrase", roles=frozenset())
    async with house.browser() as own, house.browser() as other:
        await enrol(house, own, Authenticator())
        await house.sign_in(other, name="mallory", password="mallory has a long phrase")

        answer = await add(other, Authenticator())

    assert answer.status_code == 422
    assert await house.pool.fetchval("SELECT count(*) FROM identity.passkeys") == 1


async def test_phishing_resistance_is_only_offered_what_gives_it(house: House) -> None:
    """RFC 9470: acr_values that only a passkey reaches."""
    authenticator = Authenticator(sign_count=0)
    async with house.browser() as own:
        await house.with_app(own)
        own.cookies.delete(SESSION)
        secret_page = await house.login(own, await house.page(own, acr_values=PHR))
        both = await house.second_page(own, secret_page)
    async with house.browser() as own:
        await house.provider.create_user("carol", "carol has a long phrase too", roles=frozenset())
        await house.sign_in(own, name="carol", password="carol has a long phrase too")
        await add(own, authenticator)
        own.cookies.delete(SESSION)
        only = await house.second_page(own, await house.login(
            own, await house.page(own, acr_values=PHR), name="carol", password="carol has a long phrase too"))
        answer = await second_factor(own, only, authenticator)
        silent = await own.get("/oauth2/authorize", params=authorization(acr_values=PHR, prompt="none"))

    assert 'id="code"' in both.text
    assert 'id="code"' not in only.text
    assert has_parameter(answer, "code")
    assert has_parameter(silent, "code")


async def test_a_session_that_cannot_be_strengthened_enough_is_told_to_the_client_and_not_asked_for_ever(
        house: House) -> None:
    """RFC 9470 section 5: unmet_authentication_requirements."""
    async with house.browser() as own:
        secret, _ = await house.with_app(own)
        own.cookies.delete(SESSION)
        await house.sign_in(own)
        asked = await own.get("/oauth2/authorize", params=authorization(acr_values=PHR))
        form = await own.get(asked.headers["location"])
        page = await house.second_page(own, await house.login(own, form))

        answer = await house.show(own, page, house.code_of(secret))

    assert 'id="password"' in form.text
    assert parameter(answer, "error") == "unmet_authentication_requirements"
