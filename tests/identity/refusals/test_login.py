"""What a login refuses, beside what the tests of the people's folder show, and what it never tells."""

import asyncio
import logging
from pathlib import Path

import asyncpg
import pytest
import structlog

from identity.adapters.key_files import KeyFiles
from identity.domain.signals.events import CREDENTIAL_CHANGE
from identity.service import IdentityProvider
from identity.store.database import Database
from tests.frozen_clock import FrozenClock
from tests.identity.people.authenticator import Authenticator
from tests.identity.people.conftest import Judge, house, judge, places
from tests.identity.people.house import DEVICE, SESSION, STEP, House
from tests.identity.people.test_passkeys import add
from tests.identity.world import ISSUER, World, quick_passwords

__all__ = ["house", "judge", "places"]


async def test_pending_accounts_and_accounts_without_a_password_look_like_a_wrong_password(house: House) -> None:
    """User enumeration: same status, same body, and the hash is computed for each."""
    for name in ("pending", "passless"):
        await house.provider.create_user(name, "a long enough phrase", roles=frozenset())
    await house.pool.execute("UPDATE identity.users SET status = 'pending' WHERE name = 'pending'")
    await house.pool.execute("UPDATE identity.users SET password_hash = NULL WHERE name = 'passless'")
    async with house.browser() as browser:
        page = await browser.get("/login")

        answers = [await house.login(browser, page, name=name, password=password) for name, password in (
            ("alice", "wrong"), ("pending", "a long enough phrase"), ("passless", "a long enough phrase"),
            ("passless", ""), ("nobody", "x"))]

    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.content for answer in answers}) == 1


async def test_the_step_page_tells_nothing_to_who_has_no_step(house: House) -> None:
    async with house.browser() as browser:
        page = await browser.get("/login")
        text = page.text.split('name="interaction" value="', 1)[1].split('"', 1)[0]
        answers = []
        for cookie in ("", "x", "gw_step_" + "0" * 32 + "." + "A" * 43, "gw_session_" + "0" * 32 + "." + "A" * 43):
            browser.cookies.set(STEP, cookie, domain="id.grid.test")
            answers.append(await browser.get("/login/factor", params={"interaction": text}))

    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.content for answer in answers}) == 1


async def test_a_step_of_one_session_is_not_taken_in_another(house: House) -> None:
    """Session fixation at step-up: the step belongs to the session it was opened for."""
    async with house.browser() as own:
        secret, _ = await house.with_app(own)
        own.cookies.delete(SESSION)
        await house.sign_in(own)
        session = await house.session_of(own)
        assert session is not None
        due = await house.provider.door.opening.in_session(
            session, ("urn:gridwarden:acr:mfa",), house.gateway.context)
        assert due is not None
        page = await house.page(own, prompt="login")
        own.cookies.set(STEP, due.cookie.text, domain="id.grid.test")
        own.cookies.delete(SESSION)

        answer = await house.show(own, page, house.code_of(secret))

        assert await house.is_nobody(own)
    assert answer.status_code == 403


async def test_two_processes_take_a_code_once(house: House, app_pool: asyncpg.Pool, tmp_path: Path,
                                              clock: FrozenClock) -> None:
    """RFC 6238 section 5.2, with a second provider beside the first."""
    second = IdentityProvider(Database(app_pool), house.recorder, clock, issuer=ISSUER,
                              keys=KeyFiles(tmp_path / "keys"), passwords=quick_passwords())
    other_house = World(second, house.recorder, clock, app_pool)
    async with house.browser() as own, house.browser() as one, other_house.browser() as two:
        secret, _ = await house.with_app(own)
        pages = [await house.second_page(each, await house.sign_in(each)) for each in (one, two)]
        code = house.code_of(secret)

        answers = await asyncio.gather(house.show(one, pages[0], code), house.show(two, pages[1], code))

    second.close()
    assert sorted(answer.status_code for answer in answers) == [303, 403]


async def test_no_secret_of_a_login_reaches_a_log_or_an_event(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The design's list: tokens or secrets in logs at any level."""
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as lines:
        async with house.browser() as own, house.browser() as other:
            secret, codes = await house.with_app(own)
            page = await house.second_page(other, await house.sign_in(other, password="correct horse battery staple"))
            step = other.cookies[STEP]
            code = house.code_of(secret)
            await house.show(other, page, "000000")
            await house.show(other, page, code)
            cookies = [step, *(browser.cookies[name] for browser in (own, other) for name in (SESSION, DEVICE))]

    told = f"{lines}{caplog.text}{house.recorder.events}"
    for text in (code, *codes, *cookies, "battery", secret.hex()):
        assert text not in told


async def test_a_form_key_that_was_replaced_opens_no_secret(house: House, app_pool: asyncpg.Pool, tmp_path: Path,
                                                            clock: FrozenClock) -> None:
    """Secrets at rest: the database alone is worth nothing; recovery codes still help."""
    async with house.browser() as own:
        secret, codes = await house.with_app(own)
    stranger = IdentityProvider(Database(app_pool), house.recorder, clock, issuer=ISSUER,
                                keys=KeyFiles(tmp_path / "other"), passwords=quick_passwords())
    world = World(stranger, house.recorder, clock, app_pool)
    async with world.browser() as other:
        page = await house.second_page(other, await house.sign_in(other))
        app = await house.show(other, page, house.code_of(secret))
        recovery = await house.show(other, page, codes[0])

    stranger.close()
    assert (app.status_code, recovery.status_code) == (503, 303)


async def test_a_change_of_factors_is_told_to_receivers(house: House) -> None:
    """CAEP 1.0 section 3.3: credential-change, in the transaction of the change."""
    await house.pool.execute(
        """INSERT INTO identity.signal_streams
        (id, client_id, audience, settings, created_at_us, updated_at_us, seen_at_us)
        VALUES ('s', 'web', '{a}', jsonb_build_object('events_delivered', jsonb_build_array($2::text)), 1, 1, $1)""",
        house.clock.now_us(), CREDENTIAL_CHANGE)
    async with house.browser() as own:
        await house.sign_in(own)
        await add(own, Authenticator())

    rows = await house.pool.fetch("SELECT payload FROM identity.signal_events")
    assert sorted("fido2-platform" in row["payload"] for row in rows) == [False, True]


async def test_a_risk_model_out_of_its_mind_does_not_stop_a_refusal(house: House, judge: Judge) -> None:
    judge.score = RuntimeError("secret detail")
    async with house.browser() as browser:
        page = await browser.get("/login")
        answer = await house.login(browser, page, password="wrong")

    assert answer.status_code == 403
    assert "secret detail" not in answer.text
