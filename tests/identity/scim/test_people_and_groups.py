"""People and groups under a directory's hand: created, changed, locked, given roles, deleted."""

import asyncio
from typing import Any

import httpx2 as httpx

from identity.service import Registration
from tests.identity.scim.directory import BULK, ENTERPRISE, GROUP, PATCH, SEARCH, USER, ScimClient
from tests.identity.world import ISSUER, authorization, has_parameter

PASSWORD = "a long enough phrase for ben"


async def signs_in(scim: ScimClient, name: str) -> bool:
    """Whether a person gets a code by name and password."""
    async with scim.world.browser() as browser:
        page = await browser.get((await browser.get("/oauth2/authorize", params=authorization())).headers["location"])
        answer = await scim.world.login(browser, page, name=name, password=PASSWORD)
        return answer.status_code == 303 and has_parameter(answer, "code")


async def test_a_person_of_a_directory_signs_in(scim: ScimClient) -> None:
    made = await scim.send("POST", "Users", {"schemas": [USER], "userName": "Ben", "password": PASSWORD})

    assert made.status_code == 201
    assert await signs_in(scim, "ben")
    assert made.headers["location"] == made.json()["meta"]["location"] == f"{ISSUER}/scim/v2/Users/{made.json()['id']}"
    assert made.headers["etag"] == made.json()["meta"]["version"]
    assert "password" not in made.json()
    assert PASSWORD not in str(scim.world.recorder.events)


async def test_a_password_must_be_fit(scim: ScimClient) -> None:
    for password in ("short", "password1234", "a" * 2_000):
        answer = await scim.send("POST", "Users", {"schemas": [USER], "userName": "ben", "password": password})
        assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue"), password


async def test_what_was_written_is_what_comes_back(scim: ScimClient) -> None:
    document: dict[str, Any] = {
        "schemas": [USER, ENTERPRISE], "userName": "ben", "externalId": "B-1", "active": True,
        "name": {"formatted": "Dr Ben Babbage", "familyName": "Babbage", "givenName": "Ben", "honorificPrefix": "Dr"},
        "displayName": "Ben", "locale": "sq-AL", "timezone": "Europe/Tirane", "title": "Engineer",
        "emails": [{"value": "ben@work.test", "type": "work", "primary": True}, {"value": "ben@home.test"}],
        "phoneNumbers": [{"value": "+355 4 1", "type": "work", "primary": True}],
        "photos": [{"value": "https://app.grid.test/ben.png", "type": "photo"}],
        "addresses": [{"streetAddress": "Rruga 1", "locality": "Tirana", "country": "AL", "type": "work"}],
        "x509Certificates": [{"value": "AAAA"}], ENTERPRISE: {"department": "Engines", "manager": {"value": "x"}}}

    made = (await scim.send("POST", "Users", document)).json()
    claims = (await scim.world.pool.fetchrow("SELECT email, profile FROM identity.users WHERE name = 'ben'"))

    assert {name: made[name] for name in document} == document
    assert claims["email"] == "ben@work.test"
    assert '"street_address": "Rruga 1"' in claims["profile"]
    assert '"phone_number": "+355 4 1"' in claims["profile"]


async def test_a_name_is_taken_once(scim: ScimClient) -> None:
    """RFC 7644 section 3.3: 409, uniqueness; in any spelling, also under 20 at once."""
    answers = await asyncio.gather(*(
        scim.send("POST", "Users", {"schemas": [USER], "userName": name}) for name in ["ben", "BEN"] * 10))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert {answer.json().get("scimType") for answer in answers if answer.status_code == 409} == {"uniqueness"}


async def test_bodies_that_are_no_people(scim: ScimClient) -> None:
    core = {"schemas": [USER]}
    refused: list[tuple[Any, str]] = [
        ([], "invalidSyntax"), ({"userName": "x"}, "invalidSyntax"), (core, "invalidValue"),
        ({"schemas": [GROUP], "userName": "x"}, "invalidSyntax"), ({**core, "userName": 7}, "invalidValue"),
        ({**core, "userName": "a b"}, "invalidValue"), ({**core, "userName": "x", "active": "true"}, "invalidValue"),
        ({**core, "userName": "x", "emails": [{"value": "no address"}]}, "invalidValue"),
        ({**core, "userName": "x", "emails": [{"value": "a@x.test", "primary": True}] * 2}, "invalidValue"),
        ({**core, "userName": "x", "name": "Ben"}, "invalidValue"),
        ({**core, "userName": "x", "title": "a" * 3_000}, "invalidValue"),
        ({**core, "userName": "x", "x509Certificates": [{"value": "***"}]}, "invalidValue"),
        ({**core, "userName": "x", "ims": [{"value": "a"}] * 101}, "invalidValue"),
        ({"schemas": [USER, "urn:x"], "userName": "x"}, "invalidValue"),
    ]
    for body, kind in refused:
        answer = await scim.send("POST", "Users", body)
        assert (answer.status_code, answer.json()["scimType"]) == (400, kind), body
    broken = await scim.http.post("Users", content=b"{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 400
    assert (await scim.http.post("Users", data={"userName": "x"})).status_code == 415


async def test_read_only_and_unknown_attributes_are_left_out(scim: ScimClient) -> None:
    made = await scim.user("ben", id="mine", groups=[{"value": "x"}], roles=[{"value": "admin"}], meta={"version": "x"},
                           favourite="tea")

    assert made["id"] != "mine"
    assert not {"groups", "roles", "favourite"} & made.keys()
    assert await scim.names('roles eq "admin"') == ["alice"]


async def test_not_active_is_locked_out_at_once(scim: ScimClient) -> None:
    await scim.world.provider.create_user("carol", PASSWORD, roles=frozenset({"grid_viewer"}))
    carol = (await scim.found("Users", 'userName eq "carol"'))[0]
    assert await signs_in(scim, "carol")

    answer = await scim.patch(f"Users/{carol['id']}", {"op": "replace", "path": "active", "value": False})
    live = await scim.world.pool.fetchval(
        "SELECT count(*) FROM identity.grants WHERE user_id = $1 AND revoked_at_us IS NULL", carol["id"])

    assert answer.json()["active"] is False
    assert live == 0
    assert not await signs_in(scim, "carol")
    assert len(scim.world.recorder.of("account_locked")) == 1
    back = await scim.patch(f"Users/{carol['id']}", {"op": "Replace", "value": {"active": True}})
    assert back.json()["active"] is True


async def test_replacing_a_person_keeps_what_is_not_named_of_password_and_state(scim: ScimClient) -> None:
    made = await scim.user("ben", password=PASSWORD, active=False, title="Engineer")

    answer = await scim.send("PUT", f"Users/{made['id']}", {"schemas": [USER], "userName": "benjamin"})

    assert answer.json()["active"] is False
    assert "title" not in answer.json()
    assert answer.json()["userName"] == "benjamin"
    assert await scim.world.pool.fetchval(
        "SELECT password_hash IS NOT NULL FROM identity.users WHERE name = 'benjamin'")


async def test_patches(scim: ScimClient) -> None:
    """RFC 7644 section 3.5.2."""
    made = await scim.user("ben", emails=[{"value": "a@x.test", "type": "work", "primary": True}])
    one = f"Users/{made['id']}"
    steps: list[tuple[dict[str, Any], str, Any]] = [
        ({"op": "add", "path": "emails", "value": [{"value": "b@x.test", "type": "home", "primary": True}]}, "emails", [
            {"value": "b@x.test", "type": "home", "primary": True},
            {"value": "a@x.test", "type": "work", "primary": False}]),
        ({"op": "replace", "path": 'emails[type eq "work"].value', "value": "c@x.test"}, "emails", [
            {"value": "b@x.test", "type": "home", "primary": True},
            {"value": "c@x.test", "type": "work", "primary": False}]),
        ({"op": "remove", "path": 'emails[type eq "home"]'}, "emails", [
            {"value": "c@x.test", "type": "work", "primary": False}]),
        ({"op": "add", "path": 'phoneNumbers[type eq "fax"].value', "value": "+1"}, "phoneNumbers", [
            {"type": "fax", "value": "+1"}]),
        ({"op": "add", "path": "name.givenName", "value": "Ben"}, "name", {"givenName": "Ben"}),
        ({"op": "add", "value": {"name": {"familyName": "B"}, "title": "Sir"}}, "name", {
            "givenName": "Ben", "familyName": "B"}),
        ({"op": "replace", "path": "name", "value": {"familyName": "C"}}, "name", {"familyName": "C"}),
        ({"op": "add", "value": {"name.middleName": "M"}}, "name", {"familyName": "C", "middleName": "M"}),
        ({"op": "remove", "path": "name"}, "name", None),
        ({"op": "add", "path": f"{ENTERPRISE}:department", "value": "E"}, ENTERPRISE, {"department": "E"}),
        ({"op": "add", "value": {ENTERPRISE: {"division": "D"}}}, ENTERPRISE, {"department": "E", "division": "D"}),
        ({"op": "remove", "path": f"{ENTERPRISE}:department"}, ENTERPRISE, {"division": "D"}),
        ({"op": "remove", "path": ENTERPRISE}, ENTERPRISE, None),
    ]
    for operation, name, wanted in steps:
        answer = await scim.patch(one, operation)
        assert answer.status_code == 200, (operation, answer.text)
        assert answer.json().get(name) == wanted, operation


async def test_patches_that_are_refused_change_nothing(scim: ScimClient) -> None:
    made = await scim.user("ben", title="Sir")
    refused: list[tuple[dict[str, Any], str]] = [
        ({"op": "jump", "path": "title"}, "invalidSyntax"), ({"op": "remove"}, "noTarget"),
        ({"op": "replace", "path": 'emails[type eq "work"].value', "value": "x@x.test"}, "noTarget"),
        ({"op": "replace", "path": "nothing", "value": 1}, "invalidPath"),
        ({"op": "replace", "path": "emails[", "value": 1}, "invalidPath"),
        ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
        ({"op": "replace", "path": "roles", "value": [{"value": "admin"}]}, "mutability"),
        ({"op": "add", "path": "groups", "value": [{"value": "x"}]}, "mutability"),
        ({"op": "replace", "path": "meta.created", "value": "x"}, "mutability"),
        ({"op": "remove", "path": "userName"}, "invalidValue"), ({"op": "add", "path": "title"}, "invalidValue"),
        ({"op": "replace", "path": "active", "value": "no"}, "invalidValue"),
        ({"op": "replace", "path": f"{GROUP}:displayName", "value": "x"}, "invalidPath"),
        ({"op": "remove", "path": 'emails[type xx "work"]'}, "invalidFilter"),
        ({"op": "add", "value": "x"}, "invalidValue"),
    ]
    for operation, kind in refused:
        answer = await scim.patch(f"Users/{made['id']}", {"op": "replace", "path": "title", "value": "Lord"}, operation)
        assert (answer.status_code, answer.json()["scimType"]) == (400, kind), operation
    assert (await scim.http.get(f"Users/{made['id']}")).json() == made


async def test_versions_keep_two_writers_apart(scim: ScimClient) -> None:
    """RFC 7644 section 3.14: of twenty who saw one version exactly one writes."""
    made = await scim.user("ben")
    one, tag = f"Users/{made['id']}", made["meta"]["version"]

    answers = await asyncio.gather(*(scim.patch(
        one, {"op": "add", "path": "title", "value": f"T{number}"}, If_Match=tag) for number in range(20)))

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 19
    fresh = await scim.http.get(one)
    assert (await scim.send("GET", one, If_None_Match=fresh.headers["etag"])).status_code == 304
    assert (await scim.send("GET", one, If_None_Match=tag)).status_code == 200
    assert (await scim.send("DELETE", one, If_Match=tag)).status_code == 412
    assert (await scim.send("DELETE", one, If_Match="nonsense")).status_code == 400
    assert (await scim.send("DELETE", one, If_Match="*")).status_code == 204
    assert (await scim.http.get(one)).status_code == 404


async def test_attributes_are_shown_as_asked(scim: ScimClient) -> None:
    """RFC 7644 section 3.9."""
    made = await scim.user("ben", title="Sir", name={"givenName": "Ben", "familyName": "B"},
                           emails=[{"value": "a@x.test", "type": "work"}])
    one = f"Users/{made['id']}"

    some = (await scim.http.get(f"{one}?attributes=TITLE,name.givenName,emails.value")).json()
    most = (await scim.http.get(f"{one}?excludedAttributes=title,id,name.familyName,meta")).json()

    assert some == {"schemas": [USER], "id": made["id"], "title": "Sir", "name": {"givenName": "Ben"},
                    "emails": [{"value": "a@x.test"}]}
    assert most["id"] == made["id"]
    assert most["name"] == {"givenName": "Ben"}
    assert not {"title", "meta"} & most.keys()


async def test_a_group_is_a_role(scim: ScimClient) -> None:
    ben = await scim.user("ben")
    operators = await scim.built_in("grid_operator")
    one = f"Groups/{operators['id']}"

    added = await scim.patch(one, {"op": "add", "path": "members", "value": [{"value": ben["id"]}]})
    has = (await scim.world.provider.accounts.get(ben["id"])).roles
    shown = (await scim.http.get(f"Users/{ben['id']}")).json()
    removed = await scim.patch(one, {"op": "remove", "path": f'members[value eq "{ben["id"]}"]'})

    assert [each["value"] for each in added.json()["members"]] == [ben["id"]]
    assert has == {"grid_operator"}
    assert shown["groups"][0]["display"] == "grid_operator"
    assert shown["roles"] == [{"value": "grid_operator"}]
    assert "members" not in removed.json()
    assert added.headers["etag"] != removed.headers["etag"]
    assert [len(scim.world.recorder.of(action)) for action in ("role_granted", "role_revoked")] == [2, 2]


async def test_built_in_groups_stay(scim: ScimClient) -> None:
    auditors = await scim.built_in("auditor")
    one = f"Groups/{auditors['id']}"

    renamed = await scim.patch(one, {"op": "replace", "path": "displayName", "value": "Spies"})

    assert (renamed.status_code, renamed.json()["scimType"]) == (400, "mutability")
    assert (await scim.http.delete(one)).status_code == 403


async def test_custom_groups_come_change_and_go(scim: ScimClient) -> None:
    ben = await scim.user("ben")
    made = await scim.group("Ekipi i Tiranës", ben["id"])
    one = f"Groups/{made['id']}"

    roles = (await scim.world.provider.accounts.get(ben["id"])).roles
    renamed = await scim.send("PUT", one, {"schemas": [GROUP], "displayName": "Tirana", "externalId": "T"})
    twin = await scim.group("Ekipi i Tiranës")
    gone = await scim.http.delete(one)

    assert roles == {"ekipi_i_tiranes"}
    assert (renamed.json()["displayName"], renamed.json()["externalId"]) == ("Tirana", "T")
    assert "members" not in renamed.json()
    assert twin["id"] != made["id"]
    assert gone.status_code == 204


async def test_members_are_people_that_exist(scim: ScimClient) -> None:
    group = await scim.group("Tour Guides")
    for member in ({"value": "nobody"}, {"value": group["id"], "type": "Group"}, {"type": "User"}):
        answer = await scim.patch(f"Groups/{group['id']}", {"op": "add", "path": "members", "value": [member]})
        assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue"), member


async def test_the_last_administrator_stays(scim: ScimClient) -> None:
    alice = (await scim.found("Users", 'userName eq "alice"'))[0]
    admins = await scim.built_in("admin")

    answers = [
        await scim.http.delete(f"Users/{alice['id']}"),
        await scim.patch(f"Users/{alice['id']}", {"op": "replace", "path": "active", "value": False}),
        await scim.patch(f"Groups/{admins['id']}", {"op": "remove", "path": "members"}),
        await scim.send("PUT", f"Groups/{admins['id']}", {"schemas": [GROUP], "displayName": "admin"}),
    ]

    assert [answer.status_code for answer in answers] == [409] * 4
    assert await scim.names('roles eq "admin" and active eq true') == ["alice"]


async def test_a_directory_does_not_come_by_an_administrators_account(scim: ScimClient) -> None:
    """A provisioner that could set an administrator's password would be one."""
    _, secret = await scim.world.provider.create_client(Registration(
        "directory", "Directory", grant_types=frozenset({"client_credentials"}), scopes=frozenset({"scim"}),
        roles=frozenset({"provisioner"})))
    token = (await scim.world.post("/oauth2/token", {"grant_type": "client_credentials", "scope": "scim"},
                                   auth=("directory", secret or ""))).json()["access_token"]
    scim.http.headers["Authorization"] = f"Bearer {token}"
    alice = (await scim.found("Users", 'userName eq "alice"'))[0]
    admins = await scim.built_in("admin")
    ben = await scim.user("ben")

    answers: list[httpx.Response] = [
        await scim.patch(f"Users/{alice['id']}", {"op": "replace", "path": "password", "value": PASSWORD}),
        await scim.http.delete(f"Users/{alice['id']}"),
        await scim.patch(f"Groups/{admins['id']}", {"op": "add", "path": "members", "value": [{"value": ben["id"]}]}),
        await scim.patch(f"Groups/{admins['id']}", {"op": "remove", "path": "members"}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 4


async def test_bulk(scim: ScimClient) -> None:
    """RFC 7644 section 3.7: references forward and back, errors one by one."""
    answer = await scim.send("POST", "Bulk", {"schemas": [BULK], "Operations": [
        {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {
            "schemas": [GROUP], "displayName": "Tour Guides", "members": [{"value": "bulkId:u"}]}},
        {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"schemas": [USER], "userName": "ben"}},
        {"method": "PATCH", "path": "/Users/bulkId:u", "data": {"schemas": [PATCH], "Operations": [
            {"op": "add", "path": "title", "value": "Sir"}]}},
        {"method": "POST", "path": "/Users", "bulkId": "v", "data": {"schemas": [USER], "userName": "ben"}},
        {"method": "DELETE", "path": "/Users/nobody"},
        {"method": "POST", "path": "/Users", "bulkId": "w", "data": {
            "schemas": [USER], "userName": "carol", "externalId": "bulkId:nothing"}},
    ]})

    by_id = {each.get("bulkId") or each["method"]: each for each in answer.json()["Operations"]}
    assert {name: each["status"] for name, each in by_id.items()} == {
        "u": "201", "g": "201", "PATCH": "200", "v": "409", "DELETE": "404", "w": "409"}
    assert by_id["v"]["response"]["scimType"] == "uniqueness"
    assert await scim.names('groups.display eq "Tour Guides" and title eq "Sir"') == ["ben"]


async def test_bulk_stops_after_so_many_errors_and_has_limits(scim: ScimClient) -> None:
    bad = {"method": "DELETE", "path": "/Users/nobody"}
    post = {"method": "POST", "path": "/Users", "data": {}}

    stopped = await scim.send("POST", "Bulk", {"schemas": [BULK], "failOnErrors": 2, "Operations": [bad] * 5})
    many = await scim.send("POST", "Bulk", {"schemas": [BULK], "Operations": [bad] * 1_001})

    assert len(stopped.json()["Operations"]) == 2
    assert many.status_code == 413
    wrong: list[dict[str, Any]] = [
        {"Operations": []}, {"schemas": [BULK]}, {"schemas": [BULK], "Operations": [post]},
        {"schemas": [BULK], "Operations": [{"method": "GET", "path": "/Users/x"}]},
        {"schemas": [BULK], "Operations": [{"method": "PUT", "path": "/Me"}]},
        {"schemas": [BULK], "failOnErrors": 0, "Operations": []}]
    for message in wrong:
        assert (await scim.send("POST", "Bulk", message)).status_code == 400, message


async def test_search_by_message_over_everything(scim: ScimClient) -> None:
    """RFC 7644 section 3.4.3."""
    ben = await scim.user("ben", displayName="Tour")
    await scim.group("Tour Guides", ben["id"])
    message: dict[str, Any] = {"schemas": [SEARCH], "filter": 'displayName sw "tour"', "attributes": ["displayName"]}

    everything = (await scim.send("POST", ".search", message)).json()
    people = (await scim.send("POST", "Users/.search", message)).json()
    second = (await scim.send("POST", ".search", {**message, "startIndex": 2, "count": 1})).json()
    only_people = (await scim.send("POST", ".search", {"schemas": [SEARCH], "filter": 'userName eq "ben"'})).json()

    assert [each["displayName"] for each in everything["Resources"]] == ["Tour", "Tour Guides"]
    assert people["totalResults"] == 1
    assert [each["displayName"] for each in second["Resources"]] == ["Tour Guides"]
    assert (second["totalResults"], only_people["totalResults"]) == (2, 1)


async def test_nothing_stands_that_could_not_be_sealed(scim: ScimClient) -> None:
    scim.world.recorder.is_down = True
    answer = await scim.send("POST", "Users", {"schemas": [USER], "userName": "ben"})
    scim.world.recorder.is_down = False

    assert answer.status_code == 503
    assert await scim.names('userName eq "ben"') == []


async def test_what_is_not_there_is_a_scim_error(scim: ScimClient) -> None:
    for path, status in (("Nothing", 404), ("Users/x", 404), ("Groups/x", 404), ("Me", 501), ("Schemas/x", 404)):
        answer = await scim.http.get(path)
        assert answer.status_code == status, path
        assert answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert (await scim.http.get("Schemas?filter=id+pr")).status_code == 403
