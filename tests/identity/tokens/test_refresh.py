"""Refreshing: who rotates and who must not, what binds, and how long it lasts."""

import httpx2 as httpx

from tests.identity.client_kit import ClientKey, Holder, self_signed
from tests.identity.tokens.kit import (
    claims_of,
    code_for,
    error_of,
    fapi,
    introspected,
    proved,
    redemption,
    register,
    session_of_alice,
    token,
)
from tests.identity.world import World


def refreshing(refresh_token: str, **changes: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": refresh_token} | changes


async def test_a_fapi2_client_keeps_its_refresh_token(world: World) -> None:
    """FAPI 2.0 Security Profile 5.3.2.1: no rotation (fapi2-security-profile-final-refresh-token)."""
    holder = await fapi(world)
    first = (await proved(world, holder, redemption(await code_for(world, "fapi")))).json()

    answers = [await proved(world, holder, refreshing(first["refresh_token"])) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert not any("refresh_token" in answer.json() for answer in answers)
    assert len({answer.json()["access_token"] for answer in answers}) == 3
    assert world.recorder.of("refresh_replayed") == []


async def test_a_client_of_mutual_tls_keeps_its_refresh_token_too(world: World) -> None:
    """RFC 8705 section 7.1, RFC 9700 section 4.14.2: sender-constrained is enough."""
    who = await register(world, "site", certificate_bound=True)
    world.gateway.certificate = self_signed().der
    first = (await token(world, redemption(await code_for(world, "site")), who)).json()

    again = await token(world, refreshing(first["refresh_token"]), who)

    assert again.status_code == 200
    assert "refresh_token" not in again.json()
    assert "x5t#S256" in claims_of(again.json()["access_token"])["cnf"]


async def test_a_confidential_client_may_bring_a_new_key(world: World) -> None:
    """RFC 9449 section 5: its refresh tokens are bound by its authentication, its access tokens to the proof's key."""
    holder = await fapi(world)
    first = (await proved(world, holder, redemption(await code_for(world, "fapi")))).json()
    moved = Holder("fapi", world.clock, holder.key, ClientKey.new())

    again = await proved(world, moved, refreshing(first["refresh_token"]))

    assert claims_of(again.json()["access_token"])["cnf"] == {"jkt": moved.dpop.jkt}


async def test_a_public_client_refreshes_with_its_own_key_only(world: World) -> None:
    """RFC 9449 section 5: a public client's refresh token is bound to the key, and a wrong one spends nothing."""
    await register(world, "spa", public=True)
    holder, thief = Holder("spa", world.clock), Holder("spa", world.clock)
    first = (await _public(world, holder, redemption(await code_for(world, "spa")))).json()

    stolen = await _public(world, thief, refreshing(first["refresh_token"]))
    bare = await token(world, refreshing(first["refresh_token"], client_id="spa"), {})
    own = await _public(world, holder, refreshing(first["refresh_token"]))

    assert error_of(stolen) == error_of(bare) == (400, "invalid_grant")
    assert own.status_code == 200


async def test_the_grace_window_is_for_the_same_key(world: World) -> None:
    """RFC 9700 section 4.14.2: whoever repeats with another key is a thief, and the grant dies."""
    await register(world, "spa", public=True)
    holder = Holder("spa", world.clock)
    first = (await _public(world, holder, redemption(await code_for(world, "spa")))).json()
    await _public(world, holder, refreshing(first["refresh_token"]))

    stolen = await _public(world, Holder("spa", world.clock), refreshing(first["refresh_token"]))

    assert error_of(stolen) == (400, "invalid_grant")
    assert len(world.recorder.of("refresh_replayed")) == 1


async def test_a_bound_grant_is_never_unbound(world: World) -> None:
    """RFC 9449 section 5: a stolen client secret alone does not turn a bound grant into bearer tokens."""
    who = await register(world, "site")
    holder = Holder("site", world.clock)
    first = (await world.post("/oauth2/token", redemption(await code_for(world, "site")),
                              headers=who | {"DPoP": holder.proof()})).json()

    bare = await token(world, refreshing(first["refresh_token"]), who)

    assert error_of(bare) == (400, "invalid_grant")


async def test_an_id_token_of_a_refresh_keeps_the_time_of_the_login(world: World) -> None:
    """OIDC Core section 12.2: same iss, sub, aud and auth_time, a new iat, and no nonce."""
    who = await register(world, "site")
    first = (await token(world, redemption(await code_for(world, "site")), who)).json()
    world.clock.advance(300)

    second = (await token(world, refreshing(first["refresh_token"]), who)).json()

    before, after = claims_of(first["id_token"]), claims_of(second["id_token"])
    assert all(before[name] == after[name] for name in ("iss", "sub", "aud", "auth_time", "acr"))
    assert after["iat"] == before["iat"] + 300
    assert "nonce" not in after


async def test_offline_access_outlives_the_session_and_the_day(world: World) -> None:
    """OIDC Core section 11."""
    who = await register(world, "site")
    session = await session_of_alice(world)
    offline = (await token(world, redemption(await code_for(world, "site")), who)).json()
    online = (await token(world, redemption(await code_for(world, "site", session=session)), who)).json()
    await world.provider.logouts.end(session, world.gateway.context)

    world.clock.advance(86_400)

    assert (await token(world, refreshing(offline["refresh_token"]), who)).status_code == 200
    assert error_of(await token(world, refreshing(online["refresh_token"]), who)) == (400, "invalid_grant")


async def test_offline_access_ends_when_the_person_is_locked(world: World) -> None:
    """Our invariant: a lock reaches everything."""
    who = await register(world, "site")
    first = (await token(world, redemption(await code_for(world, "site")), who)).json()

    await world.provider.lock_account("alice", reason="left", by="admin")

    assert error_of(await token(world, refreshing(first["refresh_token"]), who)) == (400, "invalid_grant")
    assert (await introspected(world, first["access_token"])).json() == {"active": False}


async def test_a_month_is_the_longest(world: World) -> None:
    """OIDC Core section 11: offline access is not for ever."""
    who = await register(world, "site")
    first = (await token(world, redemption(await code_for(world, "site")), who)).json()

    world.clock.advance(2_592_001)

    assert error_of(await token(world, refreshing(first["refresh_token"]), who)) == (400, "invalid_grant")


async def test_another_client_cannot_refresh(world: World) -> None:
    """RFC 6749 section 6 (fapi2-security-profile-final-refresh-token, the second client)."""
    holder, second = await fapi(world), await fapi(world, "fapi-2")
    first = (await proved(world, holder, redemption(await code_for(world, "fapi")))).json()

    stolen = await proved(world, second, refreshing(first["refresh_token"]))

    assert error_of(stolen) == (400, "invalid_grant")
    assert (await proved(world, holder, refreshing(first["refresh_token"]))).status_code == 200


async def test_a_refresh_without_authentication_or_proof_is_refused(world: World) -> None:
    """RFC 6749 section 6, FAPI 2.0 SP 5.3.2.1: the conformance suite takes these codes and no others."""
    holder = await fapi(world)
    first = (await proved(world, holder, redemption(await code_for(world, "fapi")))).json()

    nobody = await world.post("/oauth2/token", refreshing(first["refresh_token"], client_id="fapi"))
    unproved = await world.post("/oauth2/token", holder.asserted() | refreshing(first["refresh_token"]))

    assert error_of(nobody) == (401, "invalid_client")
    assert error_of(unproved) == (400, "invalid_request")
    assert (await proved(world, holder, refreshing(first["refresh_token"]))).status_code == 200


async def test_a_plain_confidential_client_rotates_without_grace(world: World) -> None:
    """RFC 9700 section 4.14.2."""
    who = await register(world, "site")
    first = (await token(world, redemption(await code_for(world, "site")), who)).json()
    second = (await token(world, refreshing(first["refresh_token"]), who)).json()

    reuse = await token(world, refreshing(first["refresh_token"]), who)

    assert error_of(reuse) == (400, "invalid_grant")
    assert error_of(await token(world, refreshing(second["refresh_token"]), who)) == (400, "invalid_grant")


async def _public(world: World, holder: Holder, fields: dict[str, str]) -> httpx.Response:
    return await world.post("/oauth2/token", fields | {"client_id": "spa"}, headers={"DPoP": holder.proof()})
