"""The whole product as others' decision point: an OAuth client asks about our people, data and routes."""

import httpx2 as httpx

from control_plane.cli.person import Person
from control_plane.demo.instance import Instance
from tests.end_to_end.conftest import People

MASKS = {"obligations": ["mask"]}


class Pep:
    """An enforcement point: a client with the role `pep`."""

    def __init__(self, gateway: str, token: str) -> None:
        self._http = httpx.AsyncClient(base_url=gateway, headers={"authorization": f"Bearer {token}"})

    async def ask(self, interface: str, **body: object) -> httpx.Response:
        """Ask; the answer repeats our id."""
        answer = await self._http.post(f"/access/v1/{interface}", json=body, headers={"x-request-id": "pep-1"})
        assert answer.headers["x-request-id"] == "pep-1"
        return answer


async def _pep(admin: Person, gateway: str, client_id: str, *roles: str) -> Pep:
    """Register a client and get a token of its own."""
    made = await admin.ask("POST", "/api/v1/clients", body={
        "client_id": client_id, "client_name": client_id, "grant_types": ["client_credentials"], "scope": "read",
        "redirect_uris": [], "roles": list(roles)})
    assert made.status_code == 201, made.text
    async with httpx.AsyncClient(base_url=gateway, auth=(client_id, made.json()["client_secret"])) as http:
        answer = await http.post("/oauth2/token", data={"grant_type": "client_credentials", "scope": "read"})
    assert answer.status_code == 200, answer.text
    return Pep(gateway, answer.json()["access_token"])


async def test_an_enforcement_point_asks_about_people_data_and_routes(instance: Instance, sign_in: People) -> None:
    admin = await sign_in("admin")
    pep = await _pep(admin, instance.gateway, "trino", "pep")

    async def decision(who: str, kind: str, thing: str, action: str) -> bool:
        answer = await pep.ask("evaluation", subject={"type": "user", "id": who}, action={"name": action},
                               resource={"type": kind, "id": thing}, context=MASKS)
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["decision"])

    assert await decision("vera.viewer", "dataset", "grid.meter_readings", "meters.read")
    assert not await decision("vera.viewer", "dataset", "grid.customers", "customers.read")
    assert await decision("vera.viewer", "route", "/api/v1/catalog/datasets", "GET")
    assert not await decision("vera.viewer", "route", "/api/v1/users", "GET")
    assert not await decision("nobody", "route", "/api/v1/catalog/datasets", "GET")
    assert (await pep.ask("search/subject", subject={"type": "user"}, action={"name": "users.read"},
                          resource={"type": "platform", "id": "gridwarden"})).status_code == 403


async def test_a_searcher_finds_who_may_do_what(instance: Instance, sign_in: People) -> None:
    admin = await sign_in("admin")
    pep = await _pep(admin, instance.gateway, "auditing-portal", "pep_search")
    platform = {"type": "platform", "id": "gridwarden"}

    who = await pep.ask("search/subject", subject={"type": "user"}, action={"name": "users.read"}, resource=platform)
    clients = await pep.ask("search/subject", subject={"type": "service"}, action={"name": "authzen.search"},
                            resource=platform)
    what = await pep.ask("search/resource", subject={"type": "user", "id": "vera.viewer"}, resource={"type": "dataset"},
                         action={"name": "meters.read"}, context=MASKS)
    how = await pep.ask("search/action", subject={"type": "user", "id": "vera.viewer"}, resource=platform)

    assert [one["properties"]["name"] for one in who.json()["results"]] == ["admin"]
    assert [one["id"] for one in clients.json()["results"]] == ["auditing-portal"]
    found = {one["id"] for one in what.json()["results"]}
    assert "grid.meter_readings" in found
    assert "grid.customers" not in found
    assert {"name": "meters.read"} in how.json()["results"]
    assert {"name": "users.read"} not in how.json()["results"]


async def test_whoever_asks_is_told_where_to_ask_without_a_token(instance: Instance) -> None:
    async with httpx.AsyncClient(base_url=instance.gateway) as http:
        told = await http.get("/.well-known/authzen-configuration")

    assert told.json()["policy_decision_point"] == instance.gateway
    assert told.json()["access_evaluation_endpoint"] == f"{instance.gateway}/access/v1/evaluation"
