"""What people's pages refuse: half-authenticated browsers, foreign forms, guesses, and telling who is known."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import structlog

from identity.service import IdentityProvider
from identity.store.database import Database
from tests.frozen_clock import FrozenClock
from tests.identity.people.town import ADDRESS, NEW_PASSWORD, SESSION, MailBox, Town
from tests.identity.world import ISSUER, PASSWORD, ListRecorder, hidden, quick_keys, quick_passwords


@pytest.fixture
async def village(app_pool: asyncpg.Pool, clock: FrozenClock, tmp_path: Path) -> AsyncIterator[Town]:
    """A provider open to newcomers, with a mail server."""
    recorder, mailbox = ListRecorder(), MailBox()
    provider = IdentityProvider(Database(app_pool), recorder, clock, issuer=ISSUER, keys=quick_keys(tmp_path / "keys"),
                                mail=mailbox, people_registration=True, passwords=quick_passwords())
    found = Town(provider, recorder, clock, app_pool)
    found.mailbox = mailbox
    await found.people()
    yield found
    provider.close()


MEMBERS = ("/account", "/people", "/people/roles", "/people/clients")


@pytest.mark.parametrize("path", MEMBERS)
async def test_a_half_authenticated_browser_sees_no_account(village: Town, path: str) -> None:
    """OIDC Core 3.1.2.1 and OWASP ASVS 3.2: before the second factor there is no session."""
    await village.pool.execute(
        """INSERT INTO identity.totp_factors (id, user_id, name, sealed_secret, is_confirmed, created_at_us)
        VALUES ('t', $1, 'phone', '\\x00', true, 1)""", village.user.id)
    async with village.browser() as browser:
        step = await village.sign_in(browser)
        answer = await browser.get(path)

    assert "/login/factor" in step.headers["location"]
    assert SESSION not in browser.cookies
    assert "/login?" in answer.headers["location"]


@pytest.mark.parametrize("path", [
    "/account/password", "/account/profile", "/account/email", "/account/sessions/end", "/people", "/people/roles",
    "/people/clients", "/people/clients/third/delete"])
async def test_a_post_without_a_seal_changes_nothing(village: Town, path: str) -> None:
    """CSRF (RFC 6819 section 4.4.1.8): the session cookie alone is no consent."""
    await village.provider.create_user("root.one", PASSWORD, roles=frozenset({"admin"}))
    async with village.browser() as browser:
        await village.sign_in(browser, "root.one")
        answers = [await browser.post(path, data=fields) for fields in (
            {"name": "eve"}, {"interaction": "", "name": "eve"}, {"interaction": "x.y", "name": "eve"})]

    assert {answer.status_code for answer in answers} == {403}
    assert await village.provider.clients.get("third") is not None


async def test_a_seal_of_the_login_opens_no_other_form(village: Town) -> None:
    """A seal is good for one purpose."""
    async with village.browser() as browser:
        seal = hidden((await browser.get("/login")).text)
        await village.sign_in(browser)
        answers = [await browser.post(path, data={"interaction": seal, "email": ADDRESS})
                   for path in ("/account/profile", "/register", "/forgotten-password", "/people")]

    assert {answer.status_code for answer in answers} == {403}


async def test_a_duplicate_field_is_refused(village: Town) -> None:
    """RFC 6749 section 3.1: parameters must not stand twice; neither must fields of our forms."""
    async with village.browser() as browser:
        await village.sign_in(browser)
        seal = hidden((await browser.get("/account")).text)
        answer = await browser.post("/account/profile", content=f"interaction={seal}&name=a&name=b",
                                    headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert answer.status_code == 400


async def test_a_locked_account_gets_no_new_password(village: Town) -> None:
    """A lock is an administrator's word; a mailbox does not overrule it."""
    await village.give_address()
    async with village.browser() as browser:
        await village.submit(browser, "/reset-password", "/forgotten-password", {"email": "alice@grid.test"})
        link = await village.link("reset_password")
        page = await browser.get(link)
        await village.provider.lock_account("alice", reason="test", by="test")
        answer = await browser.post("/reset-password", data={
            "interaction": hidden(page.text), "token": link.partition("token=")[2], "password": NEW_PASSWORD})

    assert answer.status_code == 403
    assert village.recorder.of("password_changed") == []


async def test_a_new_password_kills_older_reset_links(village: Town) -> None:
    await village.give_address()
    async with village.browser() as browser, village.browser() as thief:
        await village.submit(thief, "/reset-password", "/forgotten-password", {"email": "alice@grid.test"})
        link = await village.link("reset_password")
        await village.sign_in(browser)
        await village.submit(browser, "/account", "/account/password", {
            "old_password": PASSWORD, "new_password": NEW_PASSWORD})
        answer = await thief.get(link)

    assert answer.status_code == 403


async def test_a_changed_address_kills_links_mailed_to_the_old_one(village: Town) -> None:
    await village.give_address()
    async with village.browser() as browser, village.browser() as thief:
        await village.submit(thief, "/reset-password", "/forgotten-password", {"email": "alice@grid.test"})
        old = await village.link("reset_password")
        await village.sign_in(browser)
        await village.submit(browser, "/account", "/account/email", {"email": "new@grid.test", "password": PASSWORD})
        link = await village.link("confirm_email")
        await village.submit(browser, link, "/confirm-email", {"token": link.partition("token=")[2]})
        answer = await thief.get(old)

    assert answer.status_code == 403


async def test_known_or_not_a_forgotten_password_costs_the_same_statements(village: Town) -> None:
    """User enumeration by time: both ways write the same rows."""
    await village.give_address()
    counts = []
    async with village.browser() as browser:
        for email in ("alice@grid.test", "nobody@grid.test"):
            await village.submit(browser, "/reset-password", "/forgotten-password", {"email": email})
            counts.append(await village.pool.fetchval(
                "SELECT count(*) FROM identity.mails WHERE recipient = $1", email))

    assert counts == [1, 1]
    assert len(village.recorder.of("password_mailed")) == 2


async def test_no_secret_is_logged_or_sealed(village: Town, caplog: pytest.LogCaptureFixture) -> None:
    """Tokens or secrets in logs at any level: none of passwords and links."""
    await village.give_address()
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as lines:
        async with village.browser() as browser:
            await village.register(browser)
            token = (await village.link("verify_email")).partition("token=")[2]
            await village.verify(browser, f"/verify?token={token}")
            await village.submit(browser, "/reset-password", "/forgotten-password", {"email": "alice@grid.test"})
            reset = (await village.link("reset_password")).partition("token=")[2]
            await village.submit(browser, f"/reset-password?token={reset}", "/reset-password",
                                 {"token": reset, "password": NEW_PASSWORD})

    told = str(lines) + str(village.recorder.events) + "".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    for secret in (PASSWORD, NEW_PASSWORD, token, reset, token.partition(".")[2], reset.partition(".")[2]):
        assert secret not in told
