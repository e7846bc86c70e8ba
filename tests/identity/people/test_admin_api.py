"""The JSON API of people and roles: every document complete, every refusal by its status."""

from typing import Any

import httpx2 as httpx
import pytest

from shared_kernel.principal import Role
from tests.identity.people.town import Town
from tests.identity.world import PASSWORD

NOBODY = "00000000-0000-7000-8000-000000000000"


async def call(town: Town, method: str, path: str, body: Any = None) -> httpx.Response:
    async with town.browser() as client:
        return await client.request(method, path, json=body)


async def test_a_person_is_read_changed_and_deleted(town: Town) -> None:
    made = await call(town, "POST", "/api/v1/users", {
        "name": "bob", "password": PASSWORD, "email": "Bob@Grid.test", "email_verified": True,
        "profile": {"given_name": "Bob", "locale": "sq"}})
    path = made.headers["location"]
    changed = await call(town, "PATCH", path, {"profile": {"given_name": None, "family_name": "Leka"}})
    moved = await call(town, "PATCH", path, {"email": "new@grid.test"})
    read = (await call(town, "GET", path)).json()
    gone, missing = await call(town, "DELETE", path), await call(town, "GET", path)

    assert made.status_code == 201
    assert (made.json()["email"], made.json()["email_verified"]) == ("bob@grid.test", True)
    assert changed.json()["profile"] == {"family_name": "Leka", "locale": "sq"}
    assert changed.json()["email_verified"] is True
    assert moved.json()["email_verified"] is False
    assert read["email"] == "new@grid.test"
    assert (gone.status_code, missing.status_code) == (204, 404)
    assert "password" not in str(read)
    assert len(town.recorder.of("user_updated")) == 2


async def test_sessions_are_listed_and_ended_one_by_one(town: Town) -> None:
    async with town.browser() as one, town.browser() as two:
        await town.sign_in(one)
        await town.sign_in(two)
        path = f"/api/v1/users/{town.user.id}/sessions"
        sessions = (await call(town, "GET", path)).json()
        ended = await call(town, "DELETE", f"{path}/{sessions['items'][0]['id']}")
        again = await call(town, "DELETE", f"{path}/{sessions['items'][0]['id']}")
        left = (await call(town, "GET", path)).json()["items"]

    assert sessions["next"] is None
    assert (len(sessions["items"]), len(left)) == (2, 1)
    assert (ended.status_code, again.status_code) == (204, 404)


async def test_factors_are_reset_and_a_password_mailed(town: Town) -> None:
    await town.give_address()
    reset = await call(town, "POST", f"/api/v1/users/{town.user.id}/reset-factors")
    mailed = await call(town, "POST", f"/api/v1/users/{town.user.id}/mail-password")

    await town.post_mails()
    assert reset.json() == {"factors_removed": 0}
    assert mailed.status_code == 202
    assert "set_password" in {mail.template for mail in town.mailbox.mails}


async def test_roles_are_created_listed_described_and_deleted(town: Town) -> None:
    made = await call(town, "POST", "/api/v1/roles", {"name": "field_engineer", "description": "Works outside"})
    path = made.headers["location"]
    described = await call(town, "PATCH", path, {"description": "Works at substations"})
    listing = (await call(town, "GET", "/api/v1/roles?limit=200")).json()
    read, gone, missing = [await call(town, method, path) for method in ("GET", "DELETE", "GET")]

    assert described.json()["description"] == read.json()["description"] == "Works at substations"
    assert set(Role) <= {role["name"] for role in listing["items"] if role["built_in"]}
    assert (gone.status_code, missing.status_code) == (204, 404)


@pytest.mark.parametrize(("method", "path", "body", "status"), [
    ("POST", "/api/v1/users", {"name": "bob", "email": "nonsense"}, 422),
    ("POST", "/api/v1/users", {"name": "bob", "profile": {"evil": "x"}}, 422),
    ("POST", "/api/v1/users", {"name": "bob", "profile": {"website": "javascript:x"}}, 422),
    ("POST", "/api/v1/users", {"name": "bob", "roles": ["no_such_role"]}, 422),
    ("PATCH", f"/api/v1/users/{NOBODY}", {}, 404),
    ("DELETE", f"/api/v1/users/{NOBODY}", None, 404),
    ("GET", "/api/v1/users/x", None, 404),
    ("POST", f"/api/v1/users/{NOBODY}/mail-password", None, 404),
    ("POST", "/api/v1/roles", {"name": "No Role", "description": "x"}, 422),
    ("POST", "/api/v1/roles", {"name": "admin", "description": "x"}, 409),
    ("POST", "/api/v1/roles", {"name": "x_y", "description": ""}, 422),
    ("POST", "/api/v1/roles", {"name": "x_y"}, 422),
    ("GET", "/api/v1/roles/x", None, 404),
    ("GET", "/api/v1/roles?limit=0", None, 400),
])
async def test_what_does_not_fit_is_refused(town: Town, method: str, path: str, body: Any, status: int) -> None:
    assert (await call(town, method, path, body)).status_code == status


async def test_a_person_without_an_address_cannot_be_mailed(town: Town) -> None:
    assert (await call(town, "POST", f"/api/v1/users/{town.user.id}/mail-password")).status_code == 409


async def test_the_last_administrator_is_not_deleted(town: Town) -> None:
    root = await town.provider.create_user("root.one", PASSWORD, roles=frozenset({"admin"}))

    assert (await call(town, "DELETE", f"/api/v1/users/{root.id}")).status_code == 409


async def test_two_people_cannot_verify_one_address(town: Town) -> None:
    await town.give_address()
    taken = await call(town, "POST", "/api/v1/users", {
        "name": "bob", "email": "alice@grid.test", "email_verified": True})
    unverified = await call(town, "POST", "/api/v1/users", {"name": "bob", "email": "alice@grid.test"})

    assert (taken.status_code, unverified.status_code) == (409, 201)


async def test_everybodys_sessions_are_listed_with_their_owner_and_paged(town: Town) -> None:
    async with town.browser() as one, town.browser() as two:
        for browser in (one, two):
            await town.sign_in(browser)

        first = (await call(town, "GET", "/api/v1/sessions?limit=1")).json()
        rest = (await call(town, "GET", f"/api/v1/sessions?limit=1&after={first['next']}")).json()
        nobody = (await call(town, "GET", "/api/v1/sessions?name=nobody")).json()

    assert [item["user"]["id"] for item in (*first["items"], *rest["items"])] == [town.user.id] * 2
    assert first["items"][0]["id"] != rest["items"][0]["id"]
    assert nobody == {"items": [], "next": None}


async def test_any_session_is_ended_once_and_its_owner_is_named_in_the_ledger(town: Town) -> None:
    async with town.browser() as browser:
        await town.sign_in(browser)
        [session] = (await call(town, "GET", "/api/v1/sessions")).json()["items"]

        ended = await call(town, "DELETE", f"/api/v1/sessions/{session['id']}")
        again = await call(town, "DELETE", f"/api/v1/sessions/{session['id']}")

    assert (ended.status_code, again.status_code) == (204, 404)
    assert town.recorder.of("session_revoked")[0]["grid"]["identity"]["sid"] == session["id"]


@pytest.mark.parametrize("query", ["after=x", "after=1", "after=99999999999999999.x", "limit=0", f"name={'x' * 65}"])
async def test_an_unusable_page_of_sessions_is_refused(town: Town, query: str) -> None:
    assert (await call(town, "GET", f"/api/v1/sessions?{query}")).status_code == 400
