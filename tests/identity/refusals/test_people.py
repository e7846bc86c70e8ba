"""What people's pages refuse: half-authenticated browsers, foreign forms, guesses, and telling who is known."""

import logging

import pytest
import structlog

from tests.identity.people.town import ADDRESS, NEW_PASSWORD, SESSION, Town
from tests.identity.world import PASSWORD, hidden

MEMBERS = ("/account", "/people", "/people/roles", "/people/clients")


@pytest.mark.parametrize("path", MEMBERS)
async def test_a_half_authenticated_browser_sees_no_account(town: Town, path: str) -> None:
    """OIDC Core 3.1.2.1 and OWASP ASVS 3.2: before the second factor there is no session."""
    await town.pool.execute(
        """INSERT INTO identity.totp_factors (id, user_id, name, sealed_secret, is_confirmed, created_at_us)
        VALUES ('t', $1, 'phone', '\\x00', true, 1)""", town.user.id)
    async with town.browser() as browser:
        step = await town.sign_in(browser)
        answer = await browser.get(path)

    assert "/login/factor" in step.headers["location"]
    assert SESSION not in browser.cookies
    assert "/login?" in answer.headers["location"]


@pytest.mark.parametrize("path", [
    "/account/password", "/account/profile", "/account/email", "/account/sessions/end", "/people", "/people/roles",
    "/people/clients", "/people/clients/third/delete"])
async def test_a_post_without_a_seal_changes_nothing(town: Town, path: str) -> None:
    """CSRF (RFC 6819 section 4.4.1.8): the session cookie alone is no consent."""
    await town.provider.create_user("root.one", PASSWORD, roles=frozenset({"admin"}))
    async with town.browser() as browser:
        await town.sign_in(browser, "root.one")
        answers = [await browser.post(path, data=fields) for fields in (
            {"name": "eve"}, {"interaction": "", "name": "eve"}, {"interaction": "x.y", "name": "eve"})]

    assert {answer.status_code for answer in answers} == {403}
    assert await town.provider.clients.get("third") is not None


async def test_a_seal_of_the_login_opens_no_other_form(town: Town) -> None:
    """A seal is good for one purpose."""
    async with town.browser() as browser:
        seal = hidden((await browser.get("/login")).text)
        await town.sign_in(browser)
        answers = [await browser.post(path, data={"interaction": seal, "email": ADDRESS})
                   for path in ("/account/profile", "/register", "/forgotten-password", "/people")]

    assert {answer.status_code for answer in answers} == {403}


async def test_a_duplicate_field_is_refused(town: Town) -> None:
    """RFC 6749 section 3.1: parameters must not stand twice; neither must fields of our forms."""
    async with town.browser() as browser:
        await town.sign_in(browser)
        seal = hidden((await browser.get("/account")).text)
        answer = await browser.post("/account/profile", content=f"interaction={seal}&name=a&name=b",
                                    headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert answer.status_code == 400


async def test_a_locked_account_gets_no_new_password(town: Town) -> None:
    """A lock is an administrator's word; a mailbox does not overrule it."""
    await town.give_address()
    async with town.browser() as browser:
        await town.submit(browser, "/reset-password", "/forgotten-password", {"email": "alice@grid.test"})
        link = await town.link("reset_password")
        page = await browser.get(link)
        await town.provider.lock_account("alice", reason="test", by="test")
        answer = await browser.post("/reset-password", data={
            "interaction": hidden(page.text), "token": link.partition("token=")[2], "password": NEW_PASSWORD})

    assert answer.status_code == 403
    assert town.recorder.of("password_changed") == []


async def test_a_new_password_kills_older_reset_links(town: Town) -> None:
    await town.give_address()
    async with town.browser() as browser, town.browser() as thief:
        await town.submit(thief, "/reset-password", "/forgotten-password", {"email": "alice@grid.test"})
        link = await town.link("reset_password")
        await town.sign_in(browser)
        await town.submit(browser, "/account", "/account/password", {
            "old_password": PASSWORD, "new_password": NEW_PASSWORD})
        answer = await thief.get(link)

    assert answer.status_code == 403


async def test_a_changed_address_kills_links_mailed_to_the_old_one(town: Town) -> None:
    await town.give_address()
    async with town.browser() as browser, town.browser() as thief:
        await town.submit(thief, "/reset-password", "/forgotten-password", {"email": "alice@grid.test"})
        old = await town.link("reset_password")
        await town.sign_in(browser)
        await town.submit(browser, "/account", "/account/email", {"email": "new@grid.test", "password": PASSWORD})
        link = await town.link("confirm_email")
        await town.submit(browser, link, "/confirm-email", {"token": link.partition("token=")[2]})
        answer = await thief.get(old)

    assert answer.status_code == 403


async def test_known_or_not_a_forgotten_password_costs_the_same_statements(town: Town) -> None:
    """User enumeration by time: both ways write the same rows."""
    await town.give_address()
    counts = []
    async with town.browser() as browser:
        for email in ("alice@grid.test", "nobody@grid.test"):
            await town.submit(browser, "/reset-password", "/forgotten-password", {"email": email})
            counts.append(await town.pool.fetchval(
                "SELECT count(*) FROM identity.mails WHERE recipient = $1", email))

    assert counts == [1, 1]
    assert len(town.recorder.of("password_mailed")) == 2


async def test_no_secret_is_logged_or_sealed(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    """Tokens or secrets in logs at any level: none of passwords and links."""
    await town.give_address()
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as lines:
        async with town.browser() as browser:
            await town.register(browser)
            token = (await town.link("verify_email")).partition("token=")[2]
            await town.verify(browser, f"/verify?token={token}")
            await town.submit(browser, "/reset-password", "/forgotten-password", {"email": "alice@grid.test"})
            reset = (await town.link("reset_password")).partition("token=")[2]
            await town.submit(browser, f"/reset-password?token={reset}", "/reset-password",
                                 {"token": reset, "password": NEW_PASSWORD})

    told = str(lines) + str(town.recorder.events) + "".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    for secret in (PASSWORD, NEW_PASSWORD, token, reset, token.partition(".")[2], reset.partition(".")[2]):
        assert secret not in told
