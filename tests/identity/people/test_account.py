"""The account page: what people see of themselves, change and take back; every form sealed to their session."""

import httpx2 as httpx
import pytest

from tests.identity.people.town import NEW_PASSWORD, SESSION, Town, is_signed_in
from tests.identity.world import CALLBACK, PASSWORD, authorization, hidden, parameter


async def _sid(town: Town, browser: httpx.AsyncClient) -> str:
    session = await town.provider.session(browser.cookies[SESSION])
    assert session is not None
    return session.id


async def test_the_account_leads_through_the_login_and_back(town: Town) -> None:
    async with town.browser() as browser:
        first = await browser.get("/account")
        answer = await town.login(browser, await browser.get(first.headers["location"]))
        page = await browser.get(answer.headers["location"])

    assert first.status_code == 303
    assert answer.headers["location"] == "/account"
    assert "Account of alice" in page.text


async def test_a_profile_is_kept_and_told_as_claims(town: Town) -> None:
    """OIDC Core sections 5.1 and 5.1.1."""
    async with town.browser() as browser:
        await town.sign_in(browser)
        answer = await town.submit(browser, "/account", "/account/profile", {
            "given_name": "Alice", "family_name": "Hoxha", "phone_number": "+355 69 123 4567", "locale": "sq",
            "birthdate": "1990-12-31", "address.street_address": "Rruga e Durrësit 1", "address.country": "Shqipëria"})
        page = await browser.get(answer.headers["location"])
    user = await town.provider.accounts.get(town.user.id)

    assert answer.headers["location"] == "/account?done=profile#profile"
    assert "Your profile is saved" in page.text
    assert 'value="Rruga e Durrësit 1"' in page.text
    assert user.profile == {
        "given_name": "Alice", "family_name": "Hoxha", "phone_number": "+355 69 123 4567", "locale": "sq",
        "birthdate": "1990-12-31", "address": {"street_address": "Rruga e Durrësit 1", "country": "Shqipëria"}}
    assert user.version == 2
    event = town.recorder.of("user_updated")[0]
    assert "phone_number" in event["grid"]["identity"]["fields"]
    assert "123 4567" not in str(event)


@pytest.mark.parametrize("field", [
    {"phone_number": "069"}, {"birthdate": "31.12.1990"}, {"website": "javascript:alert(1)"}, {"locale": "x" * 40},
    {"zoneinfo": "../etc/passwd"}, {"given_name": "x" * 201},
])
async def test_an_unfit_claim_is_refused_and_what_was_typed_stays(town: Town, field: dict[str, str]) -> None:
    async with town.browser() as browser:
        await town.sign_in(browser)
        answer = await town.submit(browser, "/account", "/account/profile", {"nickname": "Lisi", **field})

    assert answer.status_code == 422
    assert 'value="Lisi"' in answer.text
    assert (await town.provider.accounts.get(town.user.id)).profile == {}


async def test_a_verified_phone_number_stays_verified_until_it_changes(town: Town) -> None:
    await town.pool.execute("""UPDATE identity.users SET
        profile = '{"phone_number": "+355691234567", "phone_number_verified": true}' WHERE name = 'alice'""")
    async with town.browser() as browser:
        await town.sign_in(browser)
        await town.submit(browser, "/account", "/account/profile", {"phone_number": "+355691234567", "name": "A"})
        kept = (await town.provider.accounts.get(town.user.id)).profile
        await town.submit(browser, "/account", "/account/profile", {"phone_number": "+355697654321"})

    assert kept["phone_number_verified"] is True
    assert (await town.provider.accounts.get(town.user.id)).profile == {"phone_number": "+355697654321"}


async def test_a_new_password_ends_every_other_session_and_is_mailed(town: Town) -> None:
    await town.give_address()
    tokens = await town.tokens()
    async with town.browser() as mine, town.browser() as other:
        await town.sign_in(mine)
        await town.sign_in(other)
        answer = await town.submit(mine, "/account", "/account/password", {
            "old_password": PASSWORD, "new_password": NEW_PASSWORD})
        here, there = await mine.get("/account"), await other.get("/account")
        old, new = await town.sign_in(other), await town.sign_in(other, password=NEW_PASSWORD)

    await town.post_mails()
    assert answer.headers["location"].startswith("/account?done=password")
    assert (here.status_code, there.status_code) == (200, 303)
    assert (is_signed_in(old), is_signed_in(new)) == (False, True)
    assert (await town.userinfo(tokens["access_token"])).status_code == 401
    assert [mail.recipient for mail in town.mailbox.of("password_changed")] == ["alice@grid.test"]
    assert len(town.recorder.of("password_changed")) == 1


@pytest.mark.parametrize(("old", "new", "status", "sentence"), [
    ("not my old password", NEW_PASSWORD, 403, "not right"),
    (PASSWORD, "password1234", 422, "tried first"),
    (PASSWORD, "", 422, "too short"),
])
async def test_a_password_is_changed_only_by_its_owner_to_a_fit_one(town: Town, old: str, new: str, status: int,
                                                                    sentence: str) -> None:
    async with town.browser() as browser:
        await town.sign_in(browser)
        answer = await town.submit(browser, "/account", "/account/password", {"old_password": old, "new_password": new})
        again = await town.sign_in(browser)

    assert answer.status_code == status
    assert sentence in answer.text
    assert is_signed_in(again)


async def test_a_stolen_session_cannot_guess_the_password_for_ever(town: Town) -> None:
    async with town.browser() as browser:
        await town.sign_in(browser)
        answers = [await town.submit(browser, "/account", "/account/password", {
            "old_password": f"guess number {number}", "new_password": NEW_PASSWORD}) for number in range(11)]

    assert [answer.status_code for answer in answers] == [403] * 10 + [429]


async def test_a_new_address_counts_when_its_link_is_followed_and_the_old_one_is_told(town: Town) -> None:
    await town.give_address()
    async with town.browser() as browser, town.browser() as phone:
        await town.sign_in(browser)
        await town.submit(browser, "/account", "/account/email", {"email": "New@Grid.test", "password": PASSWORD})
        link = await town.link("confirm_email")
        before = await town.provider.accounts.get(town.user.id)
        done = await town.submit(phone, link, "/confirm-email", {"token": link.partition("token=")[2]})
        again = await phone.get(link)
    after = await town.provider.accounts.get(town.user.id)

    await town.post_mails()
    assert (before.email, after.email, after.is_email_verified) == ("alice@grid.test", "new@grid.test", True)
    assert (done.status_code, again.status_code) == (200, 403)
    assert [mail.recipient for mail in town.mailbox.of("email_changed")] == ["alice@grid.test"]


async def test_somebody_elses_address_cannot_be_taken_nor_found_out(town: Town) -> None:
    bob = await town.provider.create_user("bob", PASSWORD, roles=frozenset())
    await town.pool.execute(
        "UPDATE identity.users SET email = 'bob@grid.test', is_email_verified = true WHERE id = $1", bob.id)
    async with town.browser() as browser:
        await town.sign_in(browser)
        known = await town.submit(browser, "/account", "/account/email", {
            "email": "bob@grid.test", "password": PASSWORD})
        unknown = await town.submit(browser, "/account", "/account/email", {
            "email": "free@grid.test", "password": PASSWORD})

    await town.post_mails()
    assert known.headers["location"] == unknown.headers["location"]
    assert [mail.recipient for mail in town.mailbox.of("already_registered")] == ["bob@grid.test"]
    assert [mail.recipient for mail in town.mailbox.of("confirm_email")] == ["free@grid.test"]


async def test_an_address_needs_the_password(town: Town) -> None:
    async with town.browser() as browser:
        await town.sign_in(browser)
        answer = await town.submit(browser, "/account", "/account/email", {
            "email": "new@grid.test", "password": "not my password"})

    assert answer.status_code == 403
    assert await town.pool.fetchval("SELECT count(*) FROM identity.mails") == 0


async def test_one_session_is_ended_with_its_tokens_and_no_other(town: Town) -> None:
    async with town.browser() as mine, town.browser() as other:
        await town.sign_in(mine)
        tokens = (await town.redeem(await town.code_in(other))).json()
        answer = await town.submit(mine, "/account", "/account/sessions/end", {"session": await _sid(town, other)})
        here, there = await mine.get("/account"), await other.get("/account")

    assert answer.headers["location"].startswith("/account?done=ended")
    assert (here.status_code, there.status_code) == (200, 303)
    assert (await town.userinfo(tokens["access_token"])).status_code == 401
    assert len(town.recorder.of("session_revoked")) == 1


async def test_all_other_sessions_are_ended(town: Town) -> None:
    async with town.browser() as mine, town.browser() as one, town.browser() as two:
        for browser in (mine, one, two):
            await town.sign_in(browser)
        await town.submit(mine, "/account", "/account/sessions/end-others", {})
        answers = [(await browser.get("/account")).status_code for browser in (mine, one, two)]

    assert answers == [200, 303, 303]
    assert town.recorder.of("sessions_revoked")[0]["grid"]["identity"]["sessions_ended"] == 2


async def test_what_is_somebody_elses_cannot_be_ended_or_forgotten(town: Town) -> None:
    await town.provider.create_user("bob", PASSWORD, roles=frozenset())
    async with town.browser() as alice, town.browser() as bob:
        await town.sign_in(alice)
        await town.sign_in(bob, "bob")
        sid = await _sid(town, bob)
        device = await town.pool.fetchval(
            "SELECT d.id FROM identity.devices d JOIN identity.users u ON u.id = d.user_id WHERE u.name = 'bob'")
        await town.submit(alice, "/account", "/account/sessions/end", {"session": sid})
        await town.submit(alice, "/account", "/account/devices/forget", {"device": device})
        still = await bob.get("/account")

    assert still.status_code == 200
    assert town.recorder.of("session_revoked") == []
    assert town.recorder.of("device_forgotten") == []
    assert await town.pool.fetchval("SELECT count(*) FROM identity.devices WHERE id = $1", device) == 1


async def test_a_device_is_shown_and_forgotten(town: Town) -> None:
    agent = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    async with town.browser() as browser:
        await town.sign_in(browser)
        await town.pool.execute("UPDATE identity.devices SET user_agent = $1", agent["User-Agent"])
        page = await browser.get("/account")
        device = page.text.split('name="device" value="', 1)[1].split('"', 1)[0]
        answer = await town.submit(browser, "/account", "/account/devices/forget", {"device": device})

    assert "Firefox · Linux" in page.text
    assert answer.headers["location"].startswith("/account?done=forgotten")
    assert await town.pool.fetchval("SELECT count(*) FROM identity.devices") == 0


async def test_an_application_is_shown_with_its_scopes_and_loses_its_tokens(town: Town) -> None:
    async with town.browser() as browser:
        await town.sign_in(browser)
        consent = await browser.get((await browser.get(
            "/oauth2/authorize", params=authorization(client_id="third"))).headers["location"])
        allowed = await browser.post("/consent", data={"interaction": hidden(consent.text), "decision": "allow"})
        tokens = (await town.redeem(parameter(allowed, "code"), client_id="third", redirect_uri=CALLBACK)).json()
        page = await browser.get("/account")
        before = await town.userinfo(tokens["access_token"])
        await town.submit(browser, "/account", "/account/applications/revoke", {"client_id": "third"})
        after = await browser.get("/account")
        again = await browser.get("/oauth2/authorize", params=authorization(client_id="third"))

    assert "Third &lt;b&gt;Party&lt;/b&gt;" in page.text
    assert "See your name and profile" in page.text
    assert before.status_code == 200
    assert (await town.userinfo(tokens["access_token"])).status_code == 401
    assert "Third" not in after.text
    assert "/consent" in again.headers["location"]
    assert len(town.recorder.of("consent_revoked")) == 1


PATHS = ("profile", "password", "email", "sessions/end", "sessions/end-others", "devices/forget",
         "applications/revoke")


@pytest.mark.parametrize("path", PATHS)
async def test_a_form_of_another_session_is_refused(town: Town, path: str) -> None:
    """CSRF: the seal is for one browser and one session."""
    await town.provider.create_user("bob", PASSWORD, roles=frozenset())
    async with town.browser() as attacker, town.browser() as victim:
        await town.sign_in(attacker, "bob")
        await town.sign_in(victim)
        seal = hidden((await attacker.get("/account")).text)
        foreign = await victim.post(f"/account/{path}", data={"interaction": seal})
        mine = hidden((await victim.get("/account")).text)
        await town.sign_in(victim)
        stale = await victim.post(f"/account/{path}", data={"interaction": mine})

    assert (foreign.status_code, stale.status_code) == (403, 403)


async def test_nothing_changes_while_the_ledger_is_down(town: Town) -> None:
    async with town.browser() as mine, town.browser() as other:
        await town.sign_in(mine)
        await town.sign_in(other)
        town.recorder.is_down = True
        answers = [
            await town.submit(mine, "/account", "/account/sessions/end-others", {}),
            await town.submit(mine, "/account", "/account/profile", {"nickname": "Lisi"}),
            await town.submit(mine, "/account", "/account/password", {
                "old_password": PASSWORD, "new_password": NEW_PASSWORD})]
        town.recorder.is_down = False
        still = await other.get("/account")

    assert {answer.status_code for answer in answers} == {503}
    assert still.status_code == 200
    assert (await town.provider.accounts.get(town.user.id)).profile == {}


async def test_every_field_has_a_label_and_ids_are_unique(town: Town) -> None:
    async with town.browser() as browser:
        await town.sign_in(browser)
        html = (await browser.get("/account")).text

    ids = [part.split('"', 1)[0] for part in html.split(' id="')[1:]]
    labelled = {part.split('"', 1)[0] for part in html.split('<label for="')[1:]}
    fields = {tag.split(' id="', 1)[1].split('"', 1)[0] for tag in html.split("<input")[1:]
              if 'type="hidden"' not in tag.split(">", 1)[0] and " hidden" not in tag.split(">", 1)[0]}
    assert len(ids) == len(set(ids))
    assert fields <= labelled
