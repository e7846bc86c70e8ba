"""Why was I refused? The sealed decision, to those it concerns."""

import pytest

from tests.control_plane.gateway_city import City, ask


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


async def test_the_refused_person_reads_why() -> None:
    gateway = City().gateway()
    refused = await ask(gateway, "GET", "/admin/users", headers=bearer("viewer"))

    told = await ask(gateway, "GET", f"/api/v1/decisions/{refused.json['request_id']}", headers=bearer("viewer"))

    assert told.status == 200
    assert told.json["allow"] is False
    assert told.json["reasons"] == ["no role allows it"]
    assert (told.json["action"], told.json["risk"], told.json["revision"], told.json["seq"]) == (
        "users.read", 7, "r1", 0)
    assert told.json["resource"] == {"path": "/admin/users", "method": "GET"}


async def test_someone_elses_decision_does_not_exist() -> None:
    gateway = City().gateway()
    of_admin = await ask(gateway, "GET", "/admin/users", headers=bearer("admin"))

    told = await ask(gateway, "GET", f"/api/v1/decisions/{of_admin.headers['x-request-id']}", headers=bearer("viewer"))

    assert told.status == 404


@pytest.mark.parametrize("name", ["auditor", "admin"])
async def test_those_who_watch_read_every_decision(name: str) -> None:
    gateway = City().gateway()
    refused = await ask(gateway, "GET", "/admin/users")

    told = await ask(gateway, "GET", f"/api/v1/decisions/{refused.json['request_id']}", headers=bearer(name))

    assert told.json["subject"]["id"] == "anonymous"


async def test_an_unknown_request_id_has_no_decision() -> None:
    told = await ask(City().gateway(), "GET", "/api/v1/decisions/none", headers=bearer("admin"))

    assert told.status == 404


async def test_an_auditor_pages_through_all_decisions() -> None:
    city = City()
    gateway = city.gateway()
    for _ in range(60):
        await ask(gateway, "GET", "/public")

    first = await ask(gateway, "GET", "/api/v1/decisions", headers=bearer("auditor"))

    assert first.status == 200
    assert [item["seq"] for item in first.json["items"]] == list(range(60, 10, -1))
    assert first.json["next"] == 11
    assert (await ask(gateway, "GET", "/api/v1/decisions", headers=bearer("viewer"))).status == 403
