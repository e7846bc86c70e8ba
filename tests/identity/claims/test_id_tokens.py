"""ID tokens as OpenID Connect Core section 2 and 3.1.3 want them, verified by PyJWT."""

import hashlib
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import orjson
import pytest

from tests.identity.claims.people import known_well
from tests.identity.world import ISSUER, World

HASHES = {"ES256": hashlib.sha256, "RS256": hashlib.sha256, "PS256": hashlib.sha256, "EdDSA": hashlib.sha512}


async def decoded(world: World, tokens: dict[str, Any], audience: str = "app") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims, verified by the published keys."""
    keys = jwt.PyJWKSet.from_dict((await world.get("/oauth2/jwks")).json())
    header = jwt.get_unverified_header(tokens["id_token"])
    claims = jwt.decode(tokens["id_token"], keys[header["kid"]].key, algorithms=[header["alg"]], audience=audience,
                        issuer=ISSUER, options={"verify_exp": False, "verify_iat": False, "verify_nbf": False})
    return header, claims


async def settle(world: World, **settings: object) -> None:
    """Change what the client app is registered with."""
    await world.pool.execute("UPDATE identity.clients SET settings = settings || $1 WHERE id = 'app'",
                             orjson.dumps(settings).decode())


@pytest.mark.parametrize("algorithm", sorted(HASHES))
async def test_an_id_token_is_signed_as_registered_and_hashes_alike(world: World, algorithm: str) -> None:
    await settle(world, id_token_signing_alg=algorithm)

    tokens = await world.tokens()

    header, claims = await decoded(world, tokens)
    digest = HASHES[algorithm](tokens["access_token"].encode()).digest()
    assert header["alg"] == algorithm
    assert claims["at_hash"] == urlsafe_b64encode(digest[:len(digest) // 2]).rstrip(b"=").decode()


async def test_an_id_token_has_what_a_login_is_known_by(world: World) -> None:
    _, claims = await decoded(world, await world.tokens(nonce="n-1", max_age="60"))

    assert claims["nonce"] == "n-1"
    assert claims["auth_time"] == world.clock.now_us() // 1_000_000
    assert claims["amr"] == ["pwd"]
    assert claims["acr"] == "urn:gridwarden:acr:password"
    assert claims["aud"] == "app"
    assert claims["sid"]
    assert "azp" not in claims


async def test_claims_of_scopes_stay_out_of_the_id_token(world: World) -> None:
    """OIDC Core 5.4: with an access token, userinfo tells them."""
    await known_well(world)

    _, claims = await decoded(world, await world.tokens(scope="openid profile email address phone"))

    assert claims.keys().isdisjoint({"email", "address", "phone_number", "given_name", "birthdate"})


async def test_claims_named_for_the_id_token_stand_in_it(world: World) -> None:
    await known_well(world)
    asked = orjson.dumps({"id_token": {"email": {"essential": True}, "locale": None}}).decode()

    _, claims = await decoded(world, await world.tokens(scope="openid", claims=asked))

    assert (claims["email"], claims["locale"]) == ("alice@example.com", "sq-AL")
    assert "given_name" not in claims


async def test_a_session_is_named_even_when_the_grant_outlives_it(world: World) -> None:
    """Back-Channel Logout 2.1: a client must find its session by the sid of the logout token."""
    await world.pool.execute("UPDATE identity.clients SET scopes = scopes || '{offline_access}' WHERE id = 'app'")

    _, claims = await decoded(world, await world.tokens(scope="openid offline_access"))

    assert claims["sid"] == await world.pool.fetchval("SELECT id FROM identity.sessions")


