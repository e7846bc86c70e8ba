"""The administrators' pages: for administrators with all their factors, every act sealed with who and on whom."""

import httpx2 as httpx
import pytest

from tests.identity.people.town import NEW_PASSWORD, Town, is_signed_in
from tests.identity.world import PASSWORD, hidden


async def _admin(town: Town, browser: httpx.AsyncClient, name: str = "root.one") -> str:
    user = await town.provider.create_user(name, PASSWORD, roles=frozenset({"admin"}))
    await town.sign_in(browser, name)
    return user.id


async def _do(town: Town, browser: httpx.AsyncClient, user_id: str, change: str, **fields: str) -> httpx.Response:
    return await town.submit(browser, f"/people/users/{user_id}", f"/people/users/{user_id}/{change}", fields)


PAGES = ("/people", "/people/roles", "/people/clients", "/people/clients/third")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_for_administrators(town: Town, path: str) -> None:
    async with town.browser() as stranger, town.browser() as alice, town.browser() as root:
        led = await stranger.get(path)
        await town.sign_in(alice)
        refused = await alice.get(path)
        await _admin(town, root)
        shown = await root.get(path)

    assert (led.status_code, refused.status_code, shown.status_code) == (303, 403, 200)
    assert "/login?interaction=" in led.headers["location"]


async def test_an_administrator_who_has_a_factor_needs_it(town: Town) -> None:
    async with town.browser() as root:
        user_id = await _admin(town, root)
        await town.pool.execute(
            """INSERT INTO identity.totp_factors (id, user_id, name, sealed_secret, is_confirmed, created_at_us)
            VALUES ('t', $1, 'phone', '\\x00', true, 1)""", user_id)
        answer = await root.get("/people")

    assert answer.status_code == 303
    assert "/login" in answer.headers["location"]


async def test_a_role_taken_away_closes_the_pages_at_once(town: Town) -> None:
    await town.provider.create_user("root.two", PASSWORD, roles=frozenset({"admin"}))
    async with town.browser() as root:
        user_id = await _admin(town, root)
        seal = hidden((await root.get("/people")).text)
        await town.provider.set_roles(user_id, frozenset(), by="test")
        page = await root.get("/people")
        act = await root.post("/people", data={"interaction": seal, "name": "eve"})

    assert (page.status_code, act.status_code) == (403, 403)


async def test_a_person_is_created_and_sets_a_password_by_mail(town: Town) -> None:
    async with town.browser() as root, town.browser() as bob:
        await _admin(town, root)
        made = await town.submit(root, "/people", "/people", {"name": "bob", "email": "bob@grid.test"})
        link = await town.link("set_password")
        await town.submit(bob, link, "/reset-password", {
            "token": link.partition("token=")[2], "password": NEW_PASSWORD})
        signed_in = await town.sign_in(bob, "bob", NEW_PASSWORD)

    assert made.headers["location"].endswith("?done=created")
    assert is_signed_in(signed_in)
    user = (await town.provider.accounts.listed("", 1, "bob"))[0]
    assert (user.email, user.is_email_verified) == ("bob@grid.test", True)
    event = town.recorder.of("user_created")[-1]
    assert (event["user"]["name"], event["user"]["target"]["name"]) == ("root.one", "bob")


async def test_a_person_is_locked_unlocked_given_roles_and_deleted(town: Town) -> None:
    alice = town.user.id
    async with town.browser() as root, town.browser() as browser:
        await _admin(town, root)
        await town.sign_in(browser)
        locked = await _do(town, root, alice, "lock", reason="left the company")
        out = await browser.get("/account")
        await _do(town, root, alice, "unlock")
        await _do(town, root, alice, "roles", **{"role.analyst": "on", "role.auditor": "on"})
        roles = (await town.provider.accounts.get(alice)).roles
        wrong = await _do(town, root, alice, "delete", confirmation="bob")
        gone = await _do(town, root, alice, "delete", confirmation="alice")
        page = await root.get(f"/people/users/{alice}")

    assert locked.headers["location"].endswith("?done=locked")
    assert out.status_code == 303
    assert roles == {"analyst", "auditor"}
    assert (wrong.status_code, gone.status_code, page.status_code) == (422, 303, 404)
    for action in ("account_locked", "account_unlocked", "role_granted", "user_deleted"):
        event = town.recorder.of(action)[0]
        assert (event["user"]["name"], event["user"]["target"]["name"]) == ("root.one", "alice")


async def test_the_last_administrator_is_not_deleted(town: Town) -> None:
    async with town.browser() as root:
        user_id = await _admin(town, root)
        answer = await _do(town, root, user_id, "delete", confirmation="root.one")

    assert answer.status_code == 409
    assert "last active administrator" in answer.text


async def test_sessions_end_factors_go_and_a_password_is_mailed(town: Town) -> None:
    await town.give_address()
    alice = town.user.id
    await town.pool.execute(
        """INSERT INTO identity.totp_factors (id, user_id, name, sealed_secret, is_confirmed, created_at_us)
        VALUES ('t', $1, 'phone', '\\x00', true, 1)""", alice)
    async with town.browser() as root:
        await _admin(town, root)
        page = await root.get(f"/people/users/{alice}")
        await _do(town, root, alice, "reset-factors")
        await _do(town, root, alice, "send-password")
        ended = await _do(town, root, alice, "end-sessions")

    await town.post_mails()
    assert "Authenticator apps: 1" in page.text
    assert ended.status_code == 303
    assert await town.pool.fetchval("SELECT count(*) FROM identity.totp_factors") == 0
    assert {mail.template for mail in town.mailbox.mails} == {"factor_removed", "set_password"}


async def test_a_new_address_is_not_verified_by_an_administrators_word(town: Town) -> None:
    await town.give_address()
    async with town.browser() as root:
        await _admin(town, root)
        await _do(town, root, town.user.id, "address", email="other@grid.test")

    user = await town.provider.accounts.get(town.user.id)
    assert (user.email, user.is_email_verified) == ("other@grid.test", False)


async def test_custom_roles_come_are_given_and_go_when_nobody_has_them(town: Town) -> None:
    async with town.browser() as root:
        await _admin(town, root)
        await town.submit(root, "/people/roles", "/people/roles", {
            "name": "field_engineer", "description": "Works at substations"})
        role = await town.pool.fetchrow("SELECT * FROM identity.roles WHERE name = 'field_engineer'")
        await _do(town, root, town.user.id, "roles", **{"role.field_engineer": "on"})
        held = await town.submit(root, "/people/roles", f"/people/roles/{role['id']}/delete", {})
        await _do(town, root, town.user.id, "roles")
        gone = await town.submit(root, "/people/roles", f"/people/roles/{role['id']}/delete", {})
        unknown = await _do(town, root, town.user.id, "roles", **{"role.field_engineer": "on"})

    assert (held.status_code, gone.status_code, unknown.status_code) == (409, 303, 422)
    assert [len(town.recorder.of(action)) for action in ("role_created", "role_deleted")] == [1, 1]


async def test_a_built_in_role_stays(town: Town) -> None:
    role_id = await town.pool.fetchval("SELECT id FROM identity.roles WHERE name = 'auditor'")
    async with town.browser() as root:
        await _admin(town, root)
        answers = [await town.submit(root, "/people/roles", f"/people/roles/{role_id}/{change}", {"description": "x"})
                   for change in ("describe", "delete")]

    assert {answer.status_code for answer in answers} == {409}


async def test_a_client_is_registered_edited_rekeyed_and_deleted(town: Town) -> None:
    async with town.browser() as root:
        await _admin(town, root)
        made = await town.submit(root, "/people/clients", "/people/clients", {
            "client_name": "Feeder", "kind": "web", "scope": "openid profile",
            "redirect_uris": "https://feeder.test/cb\r\nhttps://feeder.test/cb2"})
        client_id = made.text.split('id="client-id">', 1)[1].split("<", 1)[0]
        secret = made.text.split('id="client-secret">', 1)[1].split("<", 1)[0]
        path = f"/people/clients/{client_id}"
        saved = await town.submit(root, path, f"{path}/edit", {
            "client_name": "Feeder 2", "profile": "baseline", "redirect_uris": "https://feeder.test/new"})
        rekeyed = await town.submit(root, path, f"{path}/rotate-secret", {})
        page = await root.get(path)
        client = await town.provider.clients.get(client_id)
        gone = await town.submit(root, path, f"{path}/delete", {"confirmation": client_id})

    assert made.status_code == 200
    assert saved.status_code == 303
    assert client is not None
    assert (client.name, client.redirect_uris) == ("Feeder 2", ("https://feeder.test/new",))
    assert secret not in rekeyed.text
    assert 'id="client-secret"' in rekeyed.text
    assert 'id="client-secret"' not in page.text
    assert gone.status_code == 303
    assert await town.provider.clients.get(client_id) is None
    for action in ("client_created", "client_updated", "client_deleted"):
        assert town.recorder.of(action)[-1]["user"]["name"] == "root.one"


async def test_an_unfit_client_is_refused_and_what_was_typed_stays(town: Town) -> None:
    async with town.browser() as root:
        await _admin(town, root)
        answer = await town.submit(root, "/people/clients", "/people/clients", {
            "client_name": "Evil", "kind": "web", "redirect_uris": "http://evil.test/"})

    assert answer.status_code in {400, 422}
    assert 'value="Evil"' in answer.text


async def test_people_are_found_by_a_part_of_name_or_address(town: Town) -> None:
    await town.give_address("alice@city.test")
    async with town.browser() as root:
        await _admin(town, root)
        pages = [(await root.get("/people", params={"q": query})).text for query in ("LIC", "city.t", "nobody", "%")]

    assert ["/people/users/" + town.user.id in page for page in pages] == [True, True, False, False]


async def test_mails_that_wait_for_a_server_are_told_of(town: Town) -> None:
    await town.give_address()
    town.mailbox.is_down = True
    await town.provider.accounts.mail_password(town.user.id, by="test")
    await town.provider.mailing.send_due()
    async with town.browser() as root:
        await _admin(town, root)
        page = await root.get("/people")

    assert "Mails waiting: 1" in page.text
    assert "the mail server is down" in page.text


async def test_a_form_of_another_administrator_is_refused(town: Town) -> None:
    """CSRF."""
    async with town.browser() as one, town.browser() as two:
        await _admin(town, one)
        await _admin(town, two, "root.two")
        seal = hidden((await one.get("/people")).text)
        answer = await two.post("/people", data={"interaction": seal, "name": "eve"})

    assert answer.status_code == 403
