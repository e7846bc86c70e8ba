"""The administrators' API of clients: every change sealed, secrets shown once."""

from typing import Any

import httpx2 as httpx
import pytest

from identity.domain.oauth.errors import CredentialError
from shared_kernel.credentials import Credentials
from tests.identity.registration.test_dynamic_registration import public_key, register
from tests.identity.world import CALLBACK, World

BANK = {"client_id": "bank", "client_name": "Bank", "profile": "fapi2", "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [public_key()]}}
SHOP = {"client_id": "shop", "redirect_uris": [CALLBACK], "client_secret": "s" * 32, "require_pkce": False}


async def call(world: World, method: str, path: str, body: Any = None) -> httpx.Response:
    """Ask the API."""
    async with world.browser() as client:
        return await client.request(method, f"/api/v1/{path}", json=body)


async def test_a_client_is_created_read_changed_and_deleted(world: World) -> None:
    made = await call(world, "POST", "clients", BANK | {"roles": ["service"]})
    again = await call(world, "POST", "clients", BANK)
    read = await call(world, "GET", "clients/bank")
    changed = await call(world, "PUT", "clients/bank", read.json() | {"client_name": "Banka"})
    gone = await call(world, "DELETE", "clients/bank")

    assert (made.status_code, made.headers["location"]) == (201, "/api/v1/clients/bank")
    assert made.json()["roles"] == ["service"]
    assert again.status_code == 409
    assert changed.json()["client_name"] == "Banka"
    assert gone.status_code == 204
    assert (await call(world, "GET", "clients/bank")).status_code == 404
    assert [each["event"]["action"] for each in world.recorder.events[-3:]] == [
        "client_created", "client_updated", "client_deleted"]
    assert world.recorder.events[-2]["grid"]["oauth"]["changed"] == ["client_name"]


async def test_a_new_secret_kills_the_old_one_at_once(world: World) -> None:
    made = (await call(world, "POST", "clients", {
        "client_name": "M", "grant_types": ["client_credentials"], "scope": "read"})).json()

    async def status_of(secret: str) -> int:
        answer = await world.post("/oauth2/token", {"grant_type": "client_credentials"},
                                  auth=(made["client_id"], secret))
        return answer.status_code

    before = await status_of(made["client_secret"])
    rotated = (await call(world, "POST", f"clients/{made['client_id']}/rotate-secret")).json()

    assert before == 200
    assert await status_of(made["client_secret"]) == 401
    assert await status_of(rotated["client_secret"]) == 200
    assert (await call(world, "POST", "clients/app/rotate-secret")).status_code == 422


async def test_deleting_a_client_ends_its_tokens(world: World) -> None:
    issued = await world.post("/oauth2/token", {"grant_type": "client_credentials"}, auth=("machine", world.secret))
    bearer = Credentials(f"Bearer {issued.json()['access_token']}")
    before = await world.provider.authenticate(bearer)

    await call(world, "DELETE", "clients/machine")

    assert before.client_id == "machine"
    with pytest.raises(CredentialError):
        await world.provider.authenticate(bearer)


async def test_an_import_is_idempotent_and_all_or_nothing(world: World) -> None:
    trial = await call(world, "POST", "clients/import", {"clients": [BANK, SHOP], "dry_run": True})
    nothing = await call(world, "GET", "clients/bank")
    first = await call(world, "POST", "clients/import", {"clients": [BANK, SHOP]})
    second = await call(world, "POST", "clients/import", {"clients": [BANK, SHOP]})
    third = await call(world, "POST", "clients/import", {"clients": [BANK | {"client_name": "B"}, SHOP]})
    broken = await call(world, "POST", "clients/import", {"clients": [
        BANK | {"client_name": "C"}, {"client_id": "x", "redirect_uris": ["http://x.test"]}]})

    def actions(answer: httpx.Response) -> list[str]:
        return [each["action"] for each in answer.json()["items"]]

    assert actions(trial) == actions(first) == ["created", "created"]
    assert nothing.status_code == 404
    assert actions(second) == ["unchanged", "unchanged"]
    assert third.json()["items"][0]["changed"] == {"client_name": {"before": "Bank", "after": "B"}}
    assert broken.status_code == 422
    assert (await call(world, "GET", "clients/bank")).json()["client_name"] == "B"
    assert len(world.recorder.of("client_updated")) == 1
    assert "s" * 32 not in first.text + str(world.recorder.events)


async def test_an_imported_secret_works_and_a_short_one_is_refused(world: World) -> None:
    await call(world, "POST", "clients/import", {"clients": [SHOP]})
    short = await call(world, "POST", "clients/import", {"clients": [SHOP | {"client_secret": "short"}]})

    answer = await world.post("/oauth2/introspect", {"token": "x"}, auth=("shop", "s" * 32))

    assert answer.status_code == 200
    assert short.status_code == 422


async def test_an_invitation_is_made_listed_used_and_taken_back(world: World) -> None:
    made = (await call(world, "POST", "client-invitations", {"uses": 2, "expires_in": 60, "scopes": ["api"]})).json()

    used = await register(world, made["initial_access_token"], scope="api")
    listed = (await call(world, "GET", "client-invitations")).json()["items"]
    gone = await call(world, "DELETE", f"client-invitations/{made['id']}")

    assert used.json()["scope"] == "api"
    assert [(each["id"], each["uses_left"]) for each in listed] == [(made["id"], 1)]
    assert made["initial_access_token"] not in str(listed) + str(world.recorder.events)
    assert gone.status_code == 204
    assert (await register(world, made["initial_access_token"])).status_code == 401


async def test_the_api_refuses_what_no_client_is(world: World) -> None:
    refused: list[tuple[str, str, Any]] = [
        ("POST", "clients", {"nonsense": 1}), ("POST", "clients", []), ("POST", "clients", BANK | {"jwks": {}}),
        ("POST", "clients", {"client_id": "0", "redirect_uris": [CALLBACK]}),
        ("POST", "clients", {"redirect_uris": [CALLBACK], "first_party": True}),
        ("POST", "clients", {"redirect_uris": [CALLBACK], "roles": ["No Role"]}),
        ("PUT", "clients/app", {"client_id": "web", "redirect_uris": [CALLBACK]}),
        ("POST", "clients/import", {"clients": [{"redirect_uris": [CALLBACK]}]}),
        ("POST", "clients/import", {"clients": {}}),
        ("POST", "client-invitations", {"uses": 0}), ("POST", "client-invitations", {"profile": "fapi3"}),
        ("POST", "client-invitations", {"scopes": ['a"b']}), ("POST", "client-invitations", {"roles": ["admin"]}),
    ]
    for method, path, body in refused:
        assert (await call(world, method, path, body)).status_code == 422, body
    for path in ("clients/nobody", "client-invitations/nobody"):
        assert (await call(world, "DELETE", path)).status_code == 404
