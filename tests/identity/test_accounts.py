"""People and clients under administration; what changes is effective at the next request."""

import asyncio
from typing import Any

import asyncpg
import httpx2 as httpx
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client

from identity.domain.oauth.errors import CredentialError
from shared_kernel.credentials import Credentials
from shared_kernel.errors import ConflictError, NotFoundError, UnavailableError, UnprocessableError
from shared_kernel.principal import ANONYMOUS
from tests.identity.world import CALLBACK, ISSUER, PASSWORD, VERIFIER, World, parameter


async def bearer(world: World) -> str:
    return f"Bearer {(await world.tokens())['access_token']}"


async def call(world: World, method: str, path: str, body: Any = None) -> httpx.Response:
    async with world.browser() as client:
        return await client.request(method, path, json=body)


async def test_no_header_is_nobody_and_neither_is_a_clients_basic(world: World) -> None:
    assert await world.provider.authenticate(Credentials()) is ANONYMOUS
    assert await world.provider.authenticate(Credentials("Basic bWFjaGluZTp4")) is ANONYMOUS


@pytest.mark.parametrize("header", [
    "Bearer", "Bearer ", "DPoP x", "Bearer a b", "bearer x.y.z", "Bearer " + "a" * 10_000,
])
async def test_a_header_that_is_no_good_token_is_refused(world: World, header: str) -> None:
    """RFC 6750 section 3.1."""
    with pytest.raises(CredentialError):
        await world.provider.authenticate(Credentials(header))


async def test_a_principal_says_who_and_how(world: World) -> None:
    principal = await world.provider.authenticate(Credentials(await bearer(world)))

    assert (principal.subject, principal.name, principal.kind) == (world.user.id, "alice", "person")
    assert principal.roles == {"grid_viewer"}
    assert principal.scopes == {"openid", "profile"}
    assert principal.session_id is not None
    assert principal.grant_id is not None


async def test_an_access_token_expires(world: World) -> None:
    header = await bearer(world)
    await world.provider.authenticate(Credentials(header))
    world.clock.advance(601)

    with pytest.raises(CredentialError, match="expired"):
        await world.provider.authenticate(Credentials(header))


async def test_a_lock_is_effective_at_the_next_request_and_unlock_revives_nothing(world: World) -> None:
    header = await bearer(world)
    await world.provider.authenticate(Credentials(header))

    await world.provider.lock_account("alice", reason="GR-001", by="playbook")
    with pytest.raises(CredentialError):
        await world.provider.authenticate(Credentials(header))
    await world.provider.unlock_account("alice", by="admin")

    with pytest.raises(CredentialError):
        await world.provider.authenticate(Credentials(header))
    assert (await world.provider.authenticate(Credentials(await bearer(world)))).name == "alice"
    event = world.recorder.of("account_locked")[0]
    assert event["user"]["target"]["name"] == "alice"
    assert event["user"]["name"] == "playbook"


async def test_a_change_of_roles_is_effective_at_the_next_request(world: World) -> None:
    header = await bearer(world)
    await world.provider.authenticate(Credentials(header))

    await world.provider.set_roles(world.user.id, frozenset({"auditor"}), by="admin")

    assert (await world.provider.authenticate(Credentials(header))).roles == {"auditor"}
    assert world.recorder.of("role_granted")[0]["grid"]["identity"]["roles"] == ["auditor"]
    assert world.recorder.of("role_revoked")[0]["grid"]["identity"]["roles"] == ["grid_viewer"]


async def test_a_revocation_by_another_process_is_seen_within_two_seconds(world: World) -> None:
    header = await bearer(world)
    await world.provider.authenticate(Credentials(header))
    await world.pool.execute("UPDATE identity.grants SET revoked_at_us = 1")
    world.clock.advance(2)

    with pytest.raises(CredentialError, match="revoked"):
        await world.provider.authenticate(Credentials(header))


async def test_revoke_sessions_counts_and_kills(world: World) -> None:
    first, second = await bearer(world), await bearer(world)

    ended = await world.provider.revoke_sessions("alice", by="admin")

    assert ended == 2
    for header in (first, second):
        with pytest.raises(CredentialError):
            await world.provider.authenticate(Credentials(header))


async def test_nothing_is_locked_while_the_ledger_is_down(world: World) -> None:
    header = await bearer(world)
    world.recorder.is_down = True

    with pytest.raises(UnavailableError):
        await world.provider.lock_account("alice", reason="x", by="x")

    assert (await world.provider.authenticate(Credentials(header))).name == "alice"


async def test_a_database_that_is_gone_is_unavailable_and_not_an_error(world: World) -> None:
    header = await bearer(world)
    await world.pool.close()

    with pytest.raises(UnavailableError):
        await world.provider.authenticate(Credentials(header))


async def test_the_admin_is_created_once_with_a_password_told_once(world: World) -> None:
    password = await world.provider.ensure_admin()

    assert password is not None
    assert len(password) == 43
    assert await world.provider.ensure_admin() is None


@pytest.mark.parametrize(("name", "password", "roles"), [
    ("", PASSWORD, ()), ("a b", PASSWORD, ()), ("x" * 65, PASSWORD, ()), ("é", PASSWORD, ()),
    ("00000000-0000-7000-8000-000000000000", PASSWORD, ()), ("\x00", PASSWORD, ()),
    ("bob", "short", ()), ("bob", "p" * 1_025, ()), ("bob", PASSWORD, ("Admin",)), ("bob", PASSWORD, ("a\x00",)),
])
async def test_an_unfit_account_is_refused(world: World, name: str, password: str, roles: tuple[str, ...]) -> None:
    with pytest.raises(UnprocessableError):
        await world.provider.create_user(name, password, roles=frozenset(roles))


async def test_a_name_is_taken_whatever_its_case(world: World) -> None:
    with pytest.raises(ConflictError):
        await world.provider.create_user(" ALICE ", PASSWORD, roles=frozenset())


async def test_an_unknown_account_is_not_found(world: World) -> None:
    for name in ("nobody", "", "\x00", "x" * 1_000):
        with pytest.raises(NotFoundError):
            await world.provider.lock_account(name, reason="x", by="x")


async def test_ensure_client_twice_keeps_one_client_with_the_new_uris(world: World) -> None:
    await world.provider.ensure_client("app", redirect_uris=["http://127.0.0.1:8080/cb"], first_party=True)

    clients = {client.id: client for client in await world.provider.clients.listed("", 50)}
    assert clients["app"].redirect_uris == ("http://127.0.0.1:8080/cb",)
    assert [event["grid"]["oauth"]["client_id"] for event in world.recorder.of("client_created")].count("app") == 1


async def test_the_api_creates_lists_locks_and_assigns(world: World) -> None:
    made = await call(world, "POST", "/api/v1/users", {"name": "bob", "roles": ["analyst"]})
    bob = made.json()["id"]
    listing = (await call(world, "GET", "/api/v1/users?limit=1")).json()
    rest = (await call(world, "GET", f"/api/v1/users?after={listing['next']}")).json()
    lock = await call(world, "POST", f"/api/v1/users/{bob}/lock", {"reason": "left"})
    roles = await call(world, "PUT", f"/api/v1/users/{bob}/roles", {"roles": ["auditor"]})
    ended = await call(world, "POST", f"/api/v1/users/{bob}/revoke-sessions")
    unlock = await call(world, "POST", f"/api/v1/users/{bob}/unlock")

    assert made.status_code == 201
    assert len(made.json()["password"]) == 43
    assert [user["name"] for user in listing["items"] + rest["items"]] == ["alice", "bob"]
    assert "password" not in str(listing)
    assert (lock.status_code, unlock.status_code, ended.json()) == (204, 204, {"sessions_ended": 0})
    assert roles.json()["roles"] == ["auditor"]


async def test_the_api_says_who_i_am(world: World) -> None:
    me = await world.get("/api/v1/users/me", headers={"Authorization": await bearer(world)})

    assert (me.json()["name"], me.json()["roles"]) == ("alice", ["grid_viewer"])


async def test_the_api_registers_clients_and_shows_a_secret_once(world: World) -> None:
    made = await call(world, "POST", "/api/v1/clients", {
        "client_name": "Feeder", "grant_types": ["client_credentials"], "scope": "read", "roles": ["service"]})
    listing = await call(world, "GET", "/api/v1/clients")

    assert made.json()["client_secret"].startswith("gw_secret_")
    assert made.json()["first_party"] is False
    assert "gw_secret_" not in listing.text
    assert all("client_secret" not in client for client in listing.json()["items"])


@pytest.mark.parametrize(("path", "body", "status"), [
    ("/api/v1/users", {"name": "bob", "admin": True}, 422),
    ("/api/v1/users", {"name": 7}, 422),
    ("/api/v1/users", [], 422),
    ("/api/v1/clients", {"client_name": "x", "first_party": True}, 422),
    ("/api/v1/clients", {"client_name": "x", "redirect_uris": ["http://evil.test/"]}, 422),
    ("/api/v1/clients", {"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]}, 422),
    ("/api/v1/clients", {"client_name": "x", "grant_types": ["password"]}, 422),
    ("/api/v1/users/%00/lock", {"reason": "x"}, 404),
    ("/api/v1/users/admin/lock", {"reason": "x"}, 404),
    ("/api/v1/users/00000000-0000-7000-8000-000000000000/unlock", {}, 404),
])
async def test_the_api_refuses_what_does_not_fit(world: World, path: str, body: Any, status: int) -> None:
    assert (await call(world, "POST", path, body)).status_code == status


async def test_authlib_walks_the_whole_flow(world: World) -> None:
    """An independent client: discovery, code with PKCE, refresh, userinfo, revocation."""
    transport = httpx.ASGITransport(world.gateway)
    metadata = (await world.get("/.well-known/openid-configuration")).json()
    async with AsyncOAuth2Client(
        "app", scope="openid profile", redirect_uri=CALLBACK, code_challenge_method="S256",
        token_endpoint_auth_method="none", transport=transport, base_url=ISSUER,
        token_endpoint=metadata["token_endpoint"],
    ) as client, world.browser() as browser:
        url, state = client.create_authorization_url(metadata["authorization_endpoint"], code_verifier=VERIFIER)
        page = await browser.get((await browser.get(url)).headers["location"])
        landed = (await world.login(browser, page)).headers["location"]
        token = await client.fetch_token(authorization_response=landed, state=state, code_verifier=VERIFIER)
        refreshed = await client.refresh_token(metadata["token_endpoint"])
        who = await client.get(metadata["userinfo_endpoint"])
        gone = await client.revoke_token(metadata["revocation_endpoint"], refreshed["refresh_token"])
        after = await client.get(metadata["userinfo_endpoint"])

    assert token["refresh_token"] != refreshed["refresh_token"]
    assert who.json()["preferred_username"] == "alice"
    assert (gone.status_code, after.status_code) == (200, 401)


async def test_pruning_takes_what_ended_and_leaves_what_lives(world: World, app_pool: asyncpg.Pool) -> None:
    await world.code()
    world.clock.advance(90_000)
    await world.code()

    deleted = await world.provider.prune()

    assert deleted == 1
    assert await app_pool.fetchval("SELECT count(*) FROM identity.grants") == 1
    world.clock.advance(200_000)
    await world.provider.prune()
    assert await app_pool.fetchval("SELECT count(*) FROM identity.grants, identity.codes, identity.sessions") == 0


async def test_a_lock_racing_a_login_leaves_nobody_in(world: World) -> None:
    async with world.browser() as browser:
        page = await browser.get("/login")
        await asyncio.gather(world.login(browser, page),
                             world.provider.lock_account("alice", reason="race", by="test"))

        after = await browser.get("/oauth2/authorize", params={
            "client_id": "app", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid",
            "code_challenge": "A" * 43, "code_challenge_method": "S256", "prompt": "none"})

    assert parameter(after, "error") == "login_required"
