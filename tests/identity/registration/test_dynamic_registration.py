"""Clients that register themselves: RFC 7591, RFC 7592, OpenID Connect Dynamic Client Registration 1.0."""

import asyncio
from typing import Any

import httpx2 as httpx
import pytest
from joserfc.jwk import ECKey

from identity.service.clients.administration import Invitation
from identity.service.clients.registrar import RegistrationPolicy
from tests.identity.world import CALLBACK, VERIFIER, World, authorization, hidden, parameter


def public_key(kid: str = "k1") -> dict[str, Any]:
    """Return a client's public key."""
    return dict(ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"}).as_dict(private=False))


async def invited(world: World, **limits: Any) -> str:
    """Return the text of an initial access token."""
    text, _ = await world.provider.client_administration.invite(Invitation(uses=5, limits=limits), by="admin")
    return text


async def register(world: World, token: str | None, **document: Any) -> httpx.Response:
    """Send a registration."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with world.browser() as client:
        return await client.post("/oauth2/register", json={"redirect_uris": [CALLBACK], **document}, headers=headers)


async def manage(world: World, method: str, client: dict[str, Any], body: Any = None,
                 token: str | None = None) -> httpx.Response:
    """Ask for a client's own registration."""
    headers = {"Authorization": f"Bearer {token or client['registration_access_token']}"}
    async with world.browser() as http:
        return await http.request(method, client["registration_client_uri"], json=body, headers=headers)


async def test_a_client_registers_and_signs_people_in(world: World) -> None:
    made = await register(world, await invited(world), client_name="Feeder", require_pkce=True)

    assert made.status_code == 201, made.text
    assert made.headers["cache-control"] == "no-store"
    client = made.json()
    code = await _code(world, client["client_id"])
    answer = await world.post("/oauth2/token", {
        "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER},
        auth=(client["client_id"], client["client_secret"]))
    assert answer.status_code == 200, answer.text


async def _code(world: World, client_id: str) -> str:
    async with world.browser() as browser:
        answer = await browser.get("/oauth2/authorize", params=authorization(client_id=client_id, scope="openid"))
        answer = await world.login(browser, await browser.get(answer.headers["location"]))
        if "consent" in answer.headers["location"]:
            page = await browser.get(answer.headers["location"])
            answer = await browser.post("/consent", data={"interaction": hidden(page.text), "decision": "allow"})
        return parameter(answer, "code")


async def test_what_is_not_said_has_the_defaults_of_openid(world: World) -> None:
    """OIDC Registration section 2: RS256, client_secret_basic, code, authorization_code, web."""
    client = (await register(world, await invited(world))).json()

    assert client["id_token_signed_response_alg"] == "RS256"
    assert client["token_endpoint_auth_method"] == "client_secret_basic"
    assert client["response_types"] == ["code"]
    assert client["grant_types"] == ["authorization_code"]
    assert client["application_type"] == "web"
    assert client["client_secret_expires_at"] == 0
    assert client["scope"] == "address email offline_access openid phone profile"
    assert client["require_pkce"] is True


async def test_a_client_gets_neither_roles_nor_the_scope_api_nor_first_party(world: World) -> None:
    made = (await register(world, await invited(world), scope="openid api", roles=["admin"], first_party=True,
                           resources=["https://x.test"], exchange_audiences=["y"])).json()

    client = await world.provider.client_administration.get(made["client_id"])

    assert client.scopes == {"openid"}
    assert client.roles == frozenset()
    assert client.first_party is False
    assert client.settings.resources == client.settings.exchange_audiences == ()


async def test_an_invitation_may_allow_more(world: World) -> None:
    token = await invited(world, scopes=["api"], grant_types=["client_credentials"])

    made = await register(world, token, scope="openid api", grant_types=["client_credentials"])

    assert made.json()["scope"] == "api openid"
    assert made.json()["grant_types"] == ["client_credentials"]


async def test_an_invitation_binds_its_clients_to_fapi2(world: World) -> None:
    token = await invited(world, profile="fapi2")

    refused = await register(world, token)
    made = await register(world, token, token_endpoint_auth_method="private_key_jwt", jwks={"keys": [public_key()]})

    assert refused.json()["error"] == "invalid_client_metadata"
    assert made.json()["profile"] == "fapi2"
    assert made.json()["require_pushed_authorization_requests"] is True
    assert made.json()["dpop_bound_access_tokens"] is True
    assert made.json()["id_token_signed_response_alg"] == "PS256"
    assert "client_secret" not in made.json()


async def test_everything_registered_comes_back(world: World) -> None:
    """RFC 7591 section 3.2.1."""
    document = {
        "client_name": "Feeder", "client_name#sq": "Ushqyesi", "client_uri": "https://app.grid.test",
        "logo_uri": "https://app.grid.test/logo.png", "policy_uri": "https://app.grid.test/policy",
        "tos_uri": "https://app.grid.test/tos", "contacts": ["ada@grid.test"], "software_id": "4NRB1",
        "software_version": "2", "post_logout_redirect_uris": ["https://app.grid.test/bye"],
        "backchannel_logout_uri": "https://app.grid.test/back", "backchannel_logout_session_required": True,
        "initiate_login_uri": "https://app.grid.test/start", "default_max_age": 600, "require_auth_time": True,
        "default_acr_values": ["urn:gridwarden:acr:mfa"], "userinfo_signed_response_alg": "ES256",
        "introspection_signed_response_alg": "PS256", "request_object_signing_alg": "ES256",
        "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "EdDSA",
        "jwks": {"keys": [public_key()]}, "dpop_bound_access_tokens": True, "subject_type": "public",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "require_pushed_authorization_requests": True, "id_token_signed_response_alg": "EdDSA",
        "request_uris": ["https://app.grid.test/request#1"]}

    made = (await register(world, await invited(world), **document)).json()

    assert {name: made.get(name) for name in document} == document


async def test_unknown_metadata_is_ignored(world: World) -> None:
    """RFC 7591 section 2."""
    made = await register(world, await invited(world), frontchannel_logout_uri="https://app.grid.test/front", x=[1])

    assert made.status_code == 201
    assert "x" not in made.json()


async def test_anybody_registers_where_registration_is_open(world: World) -> None:
    closed = await register(world, None)
    world.provider.registration._registrar.policy = RegistrationPolicy(is_open=True, requires_pkce=False)

    made = await register(world, None)

    assert closed.status_code == 401
    assert closed.headers["www-authenticate"].startswith("Bearer")
    assert made.status_code == 201
    assert made.json()["require_pkce"] is False
    assert (await register(world, None, token_endpoint_auth_method="none")).json()["require_pkce"] is True
    assert (await register(world, "gw_initial_wrong")).status_code == 401


async def test_a_client_reads_changes_and_removes_itself(world: World) -> None:
    """RFC 7592 section 2."""
    client = (await register(world, await invited(world), client_name="One")).json()

    read = await manage(world, "GET", client)
    changed = await manage(world, "PUT", client, {
        "client_id": client["client_id"], "redirect_uris": [CALLBACK], "client_name": "Two"})
    renewed = client | {"registration_access_token": changed.json()["registration_access_token"]}
    with_old_token = await manage(world, "GET", client)
    removed = await manage(world, "DELETE", renewed)

    assert read.json()["client_name"] == "One"
    assert read.json()["registration_access_token"] == client["registration_access_token"]
    assert (changed.status_code, changed.json()["client_name"]) == (200, "Two")
    assert with_old_token.status_code == 401
    assert removed.status_code == 204
    assert (await manage(world, "GET", renewed)).status_code == 401
    assert [e["event"]["action"] for e in world.recorder.events[-3:]] == [
        "client_created", "client_updated", "client_deleted"]


async def test_a_change_drops_what_it_leaves_out_but_never_the_profile(world: World) -> None:
    """RFC 7592 section 2.2: omitted fields are deleted; a client cannot shed fapi2."""
    client = (await register(
        world, await invited(world), profile="fapi2", token_endpoint_auth_method="private_key_jwt",
        jwks={"keys": [public_key()]}, tos_uri="https://app.grid.test/tos")).json()

    changed = await manage(world, "PUT", client, {
        "client_id": client["client_id"], "redirect_uris": [CALLBACK], "profile": "baseline",
        "token_endpoint_auth_method": "private_key_jwt", "jwks": client["jwks"]})

    assert "tos_uri" not in changed.json()
    assert changed.json()["profile"] == "fapi2"


async def test_a_client_that_moves_from_keys_to_a_secret_gets_one(world: World) -> None:
    client = (await register(world, await invited(world), token_endpoint_auth_method="private_key_jwt",
                             jwks={"keys": [public_key()]})).json()

    changed = (await manage(world, "PUT", client, {
        "client_id": client["client_id"], "redirect_uris": [CALLBACK]})).json()

    assert changed["client_secret"].startswith("gw_secret_")


async def test_twenty_parallel_registrations_use_an_invitation_as_often_as_it_allows(world: World) -> None:
    token = await invited(world)

    answers = await asyncio.gather(*(register(world, token) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [401] * 15


async def test_a_refused_registration_does_not_use_up_the_invitation(world: World) -> None:
    token = await invited(world)

    for _ in range(10):
        assert (await register(world, token, redirect_uris=["https://x.test/#f"])).status_code == 400

    assert (await register(world, token)).status_code == 201


async def test_an_invitation_ends(world: World) -> None:
    text, access = await world.provider.client_administration.invite(Invitation(expires_in_s=60), by="admin")
    other, removed = await world.provider.client_administration.invite(Invitation(), by="admin")
    await world.provider.client_administration.uninvite(removed.id, by="admin")
    world.clock.advance(61)

    assert (await register(world, text)).status_code == 401
    assert (await register(world, other)).status_code == 401
    assert access.id not in {each.id for each in await world.provider.client_administration.invitations()}


async def test_nothing_stands_that_could_not_be_sealed(world: World) -> None:
    token = await invited(world)
    before = await world.provider.clients.listed("", 100)
    world.recorder.is_down = True

    answer = await register(world, token)

    world.recorder.is_down = False
    assert answer.status_code == 503
    assert await world.provider.clients.listed("", 100) == before


@pytest.mark.parametrize("secret_of", ["client_secret", "registration_access_token"])
async def test_what_is_shown_once_is_stored_as_a_digest_and_sealed_nowhere(world: World, secret_of: str) -> None:
    client = (await register(world, await invited(world))).json()

    rows = await world.pool.fetch("SELECT c::text AS row FROM identity.clients c")

    assert client[secret_of] not in str(rows)
    assert client[secret_of] not in str(world.recorder.events)
