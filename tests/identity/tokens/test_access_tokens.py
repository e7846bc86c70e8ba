"""What an access token says (RFC 9068), for which resource (RFC 8707), in which detail (RFC 9396), bound to whom."""

import json

import jwt

from tests.identity.tokens.kit import (
    METER,
    OWN_API,
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
from tests.identity.world import ISSUER, World

LOAD, BILLS = "https://load.grid.test/api", "https://bills.grid.test/api"


async def test_an_access_token_says_all_that_rfc_9068_asks(world: World) -> None:
    """RFC 9068 sections 2.1 and 2.2."""
    who = await register(world, "site")
    session = await session_of_alice(world)

    answer = (await token(world, redemption(await code_for(world, "site", session=session)), who)).json()

    header, claims = jwt.get_unverified_header(answer["access_token"]), claims_of(answer["access_token"])
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    assert claims["iss"] == ISSUER
    assert claims["aud"] == OWN_API
    assert (claims["sub"], claims["client_id"], claims["sid"]) == (world.user.id, "site", session.id)
    assert claims["exp"] - claims["iat"] == answer["expires_in"] == 600
    assert claims["auth_time"] == session.authenticated_at_us // 1_000_000
    assert (claims["acr"], claims["amr"]) == ("urn:gridwarden:acr:mfa", ["otp", "pwd"])
    assert claims["roles"] == ["grid_viewer"]
    assert claims["scope"] == answer["scope"] == "openid profile"
    assert len(claims["jti"]) == 36
    assert "cnf" not in claims


async def test_one_resource_is_a_text_and_two_are_a_list(world: World) -> None:
    """RFC 8707 section 2.2, RFC 7519 section 4.1.3."""
    who = await register(world, "site", resources=(LOAD, BILLS))
    granted = (LOAD, BILLS)

    one = await token(world, [*redemption(await code_for(world, "site", resources=granted)).items(),
                              ("resource", LOAD)], who)
    both = await token(world, [*redemption(await code_for(world, "site", resources=granted)).items(),
                               ("resource", LOAD), ("resource", BILLS)], who)
    none = await token(world, redemption(await code_for(world, "site", resources=granted)), who)

    assert claims_of(one.json()["access_token"])["aud"] == LOAD
    assert claims_of(both.json()["access_token"])["aud"] == [LOAD, BILLS]
    assert claims_of(none.json()["access_token"])["aud"] == [LOAD, BILLS]


async def test_a_token_for_one_resource_leaves_the_refresh_token_good_for_the_others(world: World) -> None:
    """RFC 8707 section 2.2: the grant keeps every resource, each token names its own."""
    who = await register(world, "site", resources=(LOAD, BILLS))
    first = (await token(world, redemption(await code_for(world, "site", resources=(LOAD, BILLS)), resource=LOAD),
                         who)).json()

    second = await token(world, {"grant_type": "refresh_token", "refresh_token": first["refresh_token"],
                                 "resource": BILLS}, who)

    assert claims_of(second.json()["access_token"])["aud"] == BILLS


async def test_authorization_details_are_in_the_answer_the_token_and_introspection(world: World) -> None:
    """RFC 9396 sections 7, 9.1 and 9.2."""
    who = await register(world, "site", authorization_details_types=("meter_access",))
    other = METER | {"identifier": "meter-8"}

    answer = (await token(world, redemption(
        await code_for(world, "site", authorization_details=(METER, other)),
        authorization_details=json.dumps([METER])), who)).json()

    assert answer["authorization_details"] == [METER]
    assert claims_of(answer["access_token"])["authorization_details"] == [METER]
    assert (await introspected(world, answer["access_token"])).json()["authorization_details"] == [METER]


async def test_a_machine_asks_for_details_of_its_types(world: World) -> None:
    """RFC 9396 section 5."""
    who = await register(world, "feeder", grants=frozenset({"client_credentials"}),
                         authorization_details_types=("meter_access",))
    asked = {"grant_type": "client_credentials", "authorization_details": json.dumps([METER])}

    answer = await token(world, asked, who)
    refused = await token(world, asked | {"authorization_details": json.dumps([METER | {"type": "other"}])}, who)

    assert answer.json()["authorization_details"] == [METER]
    assert error_of(refused) == (400, "invalid_authorization_details")


async def test_a_machine_asks_for_a_resource_it_is_registered_for(world: World) -> None:
    """RFC 8707 section 2."""
    who = await register(world, "feeder", grants=frozenset({"client_credentials"}), resources=(LOAD,))

    answer = await token(world, {"grant_type": "client_credentials", "resource": LOAD}, who)
    refused = await token(world, {"grant_type": "client_credentials", "resource": BILLS}, who)

    assert claims_of(answer.json()["access_token"])["aud"] == LOAD
    assert error_of(refused) == (400, "invalid_target")


async def test_a_proof_binds_the_token_to_its_key(world: World) -> None:
    """RFC 9449 sections 5 and 6, RFC 7662 section 2.2."""
    holder = await fapi(world)

    answer = (await proved(world, holder, redemption(await code_for(world, "fapi")))).json()
    told = (await introspected(world, answer["access_token"])).json()

    assert answer["token_type"] == told["token_type"] == "DPoP"
    assert claims_of(answer["access_token"])["cnf"] == told["cnf"] == {"jkt": holder.dpop.jkt}


async def test_an_id_token_is_signed_as_its_client_asked(world: World) -> None:
    """OIDC Dynamic Registration section 2: id_token_signed_response_alg; the access token stays ES256."""
    who = await register(world, "site", id_token_signing_alg="PS256")

    answer = (await token(world, redemption(await code_for(world, "site")), who)).json()

    assert jwt.get_unverified_header(answer["id_token"])["alg"] == "PS256"
    assert jwt.get_unverified_header(answer["access_token"])["alg"] == "ES256"


async def test_no_id_token_without_openid(world: World) -> None:
    """OIDC Core section 3.1.2.1."""
    who = await register(world, "site")

    answer = (await token(world, redemption(await code_for(world, "site", scope="profile")), who)).json()

    assert "id_token" not in answer


async def test_a_third_party_without_api_carries_no_roles(world: World) -> None:
    """Our invariant: only `api` lets a third party act with a person's roles."""
    who = await register(world, "other", first_party=False)

    plain = (await token(world, redemption(await code_for(world, "other")), who)).json()
    acting = (await token(world, redemption(await code_for(world, "other", scope="openid api")), who)).json()

    assert claims_of(plain["access_token"])["roles"] == []
    assert claims_of(acting["access_token"])["roles"] == ["grid_viewer"]


async def test_a_client_names_who_may_act_with_its_tokens(world: World) -> None:
    """RFC 8693 section 4.4."""
    who = await register(world, "site", may_act="machine")

    answer = (await token(world, redemption(await code_for(world, "site")), who)).json()

    assert claims_of(answer["access_token"])["may_act"] == {"sub": "machine"}

