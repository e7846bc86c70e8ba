"""Registering, verifying, resetting: the links work once, and nobody learns who is known."""

import asyncio

import httpx2 as httpx
import pytest

from tests.identity.people.town import ADDRESS, NEW_PASSWORD, Town, is_signed_in
from tests.identity.world import PASSWORD, World, hidden


async def test_register_mail_verify_sign_in(town: Town) -> None:
    async with town.browser() as first, town.browser() as second:
        answer = await town.register(first)
        before = await town.sign_in(first, "ada")
        link = await town.link("verify_email")
        done = await town.verify(second, link)
        after = await town.sign_in(second, "ada")

    assert answer.status_code == 200
    assert ADDRESS in answer.text
    assert not is_signed_in(before)
    assert "active" in done.text
    assert is_signed_in(after)
    user = await town.provider.accounts.get(await _id_of(town, "ada"))
    assert (user.email, user.is_email_verified, user.roles) == (ADDRESS, True, frozenset())
    assert [event["event"]["outcome"] for event in town.recorder.of("account_registered")] == ["success"]
    assert len(town.recorder.of("email_verified")) == 1


async def _id_of(town: Town, name: str) -> str:
    found: str = await town.pool.fetchval("SELECT id FROM identity.users WHERE name = $1", name)
    return found


async def test_registration_is_closed_unless_it_is_opened(world: World) -> None:
    async with world.browser() as browser:
        page = await browser.get("/register")
        seal = hidden((await browser.get("/login")).text)
        answer = await browser.post("/register", data={
            "interaction": seal, "name": "ada", "email": ADDRESS, "password": PASSWORD})

    assert page.status_code == 404
    assert answer.status_code == 403
    assert await world.pool.fetchval("SELECT count(*) FROM identity.users WHERE name = 'ada'") == 0


async def test_a_known_address_gets_the_same_answer_and_its_owner_a_mail(town: Town) -> None:
    """User enumeration: same status, same body but for the seal."""
    await town.give_address()
    async with town.browser() as browser:
        unknown = await town.register(browser, "ada", "ada@grid.test")
        known = await town.register(browser, "eve", "alice@grid.test")

    await town.post_mails()
    assert unknown.status_code == known.status_code == 200
    assert _without_seal(unknown).replace("ada@", "x@") == _without_seal(known).replace("alice@", "x@")
    assert [mail.recipient for mail in town.mailbox.of("already_registered")] == ["alice@grid.test"]
    assert await town.pool.fetchval("SELECT count(*) FROM identity.users WHERE name = 'eve'") == 0


def _without_seal(answer: httpx.Response) -> str:
    return answer.text.replace(hidden(answer.text), "")


async def test_a_taken_name_gets_the_same_answer_and_a_mail(town: Town) -> None:
    async with town.browser() as browser:
        free = await town.register(browser, "ada", "ada@grid.test")
        taken = await town.register(browser, "alice", "eve@grid.test")

    await town.post_mails()
    assert _without_seal(free).replace("ada@", "x@") == _without_seal(taken).replace("eve@", "x@")
    assert [mail.recipient for mail in town.mailbox.of("name_taken")] == ["eve@grid.test"]


async def test_a_link_asks_for_the_password_of_whoever_registered(town: Town) -> None:
    """Pre-hijacking: a stranger's registration of my address does not become my account by my following the link."""
    async with town.browser() as browser:
        await town.register(browser, "mallory", ADDRESS, "the password of mallory is long")
        link = await town.link("verify_email")

        answer = await town.verify(browser, link, PASSWORD)

    assert answer.status_code == 403
    assert 'id="failure"' in answer.text
    assert await town.pool.fetchval("SELECT status FROM identity.users WHERE name = 'mallory'") == "pending"


async def test_two_registrations_of_one_address_do_not_hurt_each_other(town: Town) -> None:
    async with town.browser() as browser:
        await town.register(browser, "mallory", ADDRESS, "the password of mallory is long")
        theirs = await town.link("verify_email")
        await town.register(browser, "ada", ADDRESS)
        mine = await town.link("verify_email")

        won = await town.verify(browser, mine)
        lost = await town.verify(browser, theirs, "the password of mallory is long")

    assert won.status_code == 200
    assert lost.status_code == 403
    assert (await town.provider.accounts.get(await _id_of(town, "ada"))).email == ADDRESS


async def test_a_link_works_once_and_for_a_day(town: Town) -> None:
    async with town.browser() as browser:
        await town.register(browser)
        link = await town.link("verify_email")
        town.clock.advance(86_401)
        late = await browser.get(link)
        await town.submit(browser, "/register", "/register/resend", {"email": ADDRESS})
        link = await town.link("verify_email")
        await town.verify(browser, link)
        again = await browser.get(link)

    assert (late.status_code, again.status_code) == (403, 403)


async def test_following_a_link_changes_nothing(town: Town) -> None:
    """Mail scanners follow links."""
    async with town.browser() as browser:
        await town.register(browser)
        link = await town.link("verify_email")
        pages = [await browser.get(link) for _ in range(3)]

    assert {page.status_code for page in pages} == {200}
    assert await town.pool.fetchval("SELECT status FROM identity.users WHERE name = 'ada'") == "pending"


async def test_twenty_uses_of_one_link_at_once_are_one(town: Town) -> None:
    await town.give_address()
    async with town.browser() as browser:
        await town.submit(browser, "/reset-password", "/forgotten-password", {"email": "alice@grid.test"})
    token = (await town.link("reset_password")).partition("token=")[2]
    people = town.provider.people.recovery

    outcomes = await asyncio.gather(
        *(people.reset(token, f"{NEW_PASSWORD} {number}", context=town.gateway.context) for number in range(20)),
        return_exceptions=True)

    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1
    assert len(town.recorder.of("password_changed")) == 1


@pytest.mark.parametrize(("password", "sentence"), [
    ("sh0rt-pass", "too short"), ("p" * 1_025, "too long"), ("1234567890987654321", "tried first"),
    ("PASSWORD1234", "tried first"), ("passwordpassword2026", "easy to guess"),
    ("ada.ada.ada.ada", "easy to guess"), ("gridwarden2026", "easy to guess"),
])
async def test_an_unfit_password_is_refused_with_the_reason(town: Town, password: str, sentence: str) -> None:
    """NIST SP 800-63B section 3.1.1.2."""
    async with town.browser() as browser:
        answer = await town.register(browser, password=password)

    assert answer.status_code == 422
    assert sentence in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert 'value="ada"' in answer.text
    assert password not in answer.text


@pytest.mark.parametrize("email", [
    "", "ada", "ada@", "@grid.test", "ada@grid", "ada@grid.test\r\nBcc: x@y.test", "a b@grid.test", "ada@grid.test,",
    "<ada@grid.test>", "ada@@grid.test", "ada@-grid.test", "a" * 65 + "@grid.test", "ada@" + "g" * 250 + ".test",
    "é@grid.test", "ada@grid.test.", '"ada"@grid.test',
])
async def test_what_is_no_address_is_refused(town: Town, email: str) -> None:
    async with town.browser() as browser:
        answer = await town.register(browser, email=email)

    assert answer.status_code in {400, 422}
    assert await town.pool.fetchval("SELECT count(*) FROM identity.mails") == 0


async def test_one_address_may_not_register_without_end(town: Town) -> None:
    async with town.browser() as browser:
        answers = [await town.register(browser, f"ada{number}", f"ada{number}@grid.test") for number in range(21)]

    assert {answer.status_code for answer in answers[:20]} == {200}
    assert answers[20].status_code == 429


async def test_nobodys_inbox_is_a_target(town: Town) -> None:
    async with town.browser() as browser:
        answers = [await town.register(browser, f"ada{number}", ADDRESS) for number in range(5)]
        resent = [await town.submit(browser, "/register", "/register/resend", {"email": ADDRESS}) for _ in range(3)]

    await town.post_mails()
    assert {answer.status_code for answer in answers + resent} == {200}
    assert len(town.mailbox.mails) == 3


async def test_ten_guesses_at_a_link_are_enough(town: Town) -> None:
    async with town.browser() as browser:
        await town.register(browser)
        link = await town.link("verify_email")
        answers = [await town.verify(browser, link, f"guess number {number} of many") for number in range(11)]
        right = await town.verify(browser, link)

    assert {answer.status_code for answer in answers[:10]} == {403}
    assert (answers[10].status_code, right.status_code) == (429, 429)


async def test_a_forgotten_password_is_set_by_a_link_and_ends_everything(town: Town) -> None:
    await town.give_address()
    tokens = await town.tokens()
    async with town.browser() as lost, town.browser() as phone:
        await town.sign_in(lost)
        asked = await town.submit(phone, "/reset-password", "/forgotten-password", {"email": " Alice@Grid.test "})
        link = await town.link("reset_password")
        done = await town.submit(phone, link, "/reset-password", {
            "token": link.partition("token=")[2], "password": NEW_PASSWORD})
        account = await lost.get("/account")
        old, new = await town.sign_in(phone), await town.sign_in(phone, password=NEW_PASSWORD)

    await town.post_mails()
    assert (asked.status_code, done.status_code) == (200, 200)
    assert account.status_code == 303
    assert (await town.userinfo(tokens["access_token"])).status_code == 401
    assert (is_signed_in(old), is_signed_in(new)) == (False, True)
    assert len(town.mailbox.of("password_changed")) == 1


async def test_asking_for_a_new_password_says_the_same_to_everybody(town: Town) -> None:
    """User enumeration: same status and body for an unknown, an unverified, a locked and a known address."""
    await town.give_address()
    await town.provider.create_user("carol", PASSWORD, roles=frozenset())
    await town.pool.execute("UPDATE identity.users SET email = 'carol@grid.test' WHERE name = 'carol'")
    async with town.browser() as browser:
        answers = [await town.submit(browser, "/reset-password", "/forgotten-password", {"email": f"{name}@grid.test"})
                   for name in ("alice", "carol", "nobody")]

    await town.post_mails()
    bodies = {_shown(answer, name) for answer, name in zip(answers, ("alice", "carol", "nobody"), strict=True)}
    assert {answer.status_code for answer in answers} == {200}
    assert len(bodies) == 1
    assert [mail.recipient for mail in town.mailbox.mails] == ["alice@grid.test"]


def _shown(answer: httpx.Response, name: str) -> str:
    return answer.text.replace(f"{name}@", "x@")


async def test_an_unfit_new_password_does_not_use_the_link_up(town: Town) -> None:
    await town.give_address()
    async with town.browser() as browser:
        await town.submit(browser, "/reset-password", "/forgotten-password", {"email": "alice@grid.test"})
        link = await town.link("reset_password")
        token = link.partition("token=")[2]
        refused = await town.submit(browser, link, "/reset-password", {"token": token, "password": "password1234"})
        done = await town.submit(browser, link, "/reset-password", {"token": token, "password": NEW_PASSWORD})

    assert (refused.status_code, done.status_code) == (422, 200)


async def test_a_reset_link_lives_an_hour_and_is_no_other_link(town: Town) -> None:
    await town.give_address()
    async with town.browser() as browser:
        await town.submit(browser, "/reset-password", "/forgotten-password", {"email": "alice@grid.test"})
        link = await town.link("reset_password")
        token = link.partition("token=")[2]
        swapped = [await browser.get(f"{path}?token={token}") for path in ("/verify", "/confirm-email")]
        town.clock.advance(3_601)
        late = await browser.get(link)

    assert [answer.status_code for answer in (*swapped, late)] == [403, 403, 403]


@pytest.mark.parametrize("token", [
    "", "x", "gw_link_" + "0" * 32 + "." + "A" * 43, "gw_code_" + "0" * 32 + "." + "A" * 43])
async def test_a_made_up_link_is_worth_nothing(town: Town, token: str) -> None:
    async with town.browser() as browser:
        answers = [await browser.get(f"{path}?token={token}")
                   for path in ("/verify", "/reset-password", "/confirm-email")]

    assert {answer.status_code for answer in answers} == {403}


async def test_a_form_from_another_browser_is_refused(town: Town) -> None:
    """CSRF: registration, forgotten password and links."""
    async with town.browser() as attacker, town.browser() as victim:
        await victim.get("/register")
        seal = hidden((await attacker.get("/register")).text)
        answers = [await victim.post(path, data={"interaction": seal, "email": ADDRESS, "name": "ada",
                                                 "password": PASSWORD, "token": "x"})
                   for path in ("/register", "/register/resend", "/forgotten-password", "/verify", "/reset-password",
                                "/confirm-email")]

    assert {answer.status_code for answer in answers} == {403}
    assert await town.pool.fetchval("SELECT count(*) FROM identity.mails") == 0


async def test_nobody_registers_while_the_ledger_is_down(town: Town) -> None:
    town.recorder.is_down = True
    async with town.browser() as browser:
        answer = await town.register(browser)

    assert answer.status_code == 503
    assert await town.pool.fetchval("SELECT count(*) FROM identity.users WHERE name = 'ada'") == 0
    assert await town.pool.fetchval("SELECT count(*) FROM identity.mails") == 0


async def test_no_secret_of_a_link_is_stored(town: Town) -> None:
    async with town.browser() as browser:
        await town.register(browser)
    waiting = str(await town.pool.fetch("SELECT * FROM identity.mails"))
    token = (await town.link("verify_email")).partition("token=")[2]

    rows = str([await town.pool.fetch(f"TABLE identity.{table}") for table in ("mails", "mail_links", "users")])

    assert "gw_link" not in waiting
    assert token.partition(".")[2] not in rows


async def test_abandoned_registrations_are_forgotten_and_their_names_free(town: Town) -> None:
    async with town.browser() as browser:
        await town.register(browser)
        town.clock.advance(2 * 86_400 + 1)
        await town.provider.prune()
        await town.register(browser, email="other@grid.test")

    assert await town.pool.fetchval("SELECT email FROM identity.users WHERE name = 'ada'") == "other@grid.test"
    assert town.recorder.of("user_deleted")[0]["event"]["reason"] == "never_verified"
