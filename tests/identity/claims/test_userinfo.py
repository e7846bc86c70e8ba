"""The userinfo endpoint (OpenID Connect Core 5.3): who may ask, how, and what is told."""

import jwt
import orjson

from tests.identity.claims.people import PROFILE, known_well
from tests.identity.claims.test_id_tokens import settle
from tests.identity.client_kit import ClientKey, Holder
from tests.identity.world import CALLBACK, ISSUER, VERIFIER, World

PATH = "/oauth2/userinfo"
ALL = "openid profile email address phone"


async def test_get_tells_the_claims_of_the_scopes(world: World) -> None:
    await known_well(world)
    tokens = await world.tokens(scope=ALL)

    answer = await world.userinfo(tokens["access_token"])

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["sub"] == world.user.id
    assert answer.json()["email"] == "alice@example.com"
    assert answer.json()["birthdate"] == PROFILE["birthdate"]


async def test_post_with_the_token_in_the_header_answers_alike(world: World) -> None:
    tokens = await world.tokens()
    header = {"Authorization": f"Bearer {tokens['access_token']}"}

    got, posted = await world.get(PATH, headers=header), await world.post(PATH, headers=header)

    assert (posted.status_code, posted.json()) == (200, got.json())


async def test_post_takes_the_token_from_the_form(world: World) -> None:
    """RFC 6750 section 2.2."""
    tokens = await world.tokens()

    answer = await world.post(PATH, {"access_token": tokens["access_token"]})

    assert (answer.status_code, answer.json()["sub"]) == (200, world.user.id)


async def test_claims_named_for_userinfo_are_told(world: World) -> None:
    await known_well(world)
    asked = orjson.dumps({"userinfo": {"phone_number": {"essential": True}, "email": None}}).decode()
    tokens = await world.tokens(scope="openid", claims=asked)

    answer = await world.userinfo(tokens["access_token"])

    assert answer.json() == {"sub": world.user.id, "roles": ["grid_viewer"], "email": "alice@example.com",
                             "phone_number": PROFILE["phone_number"]}


async def test_a_signed_answer_has_issuer_and_audience_and_is_no_id_token(world: World) -> None:
    await settle(world, userinfo_signing_alg="RS256")
    tokens = await world.tokens()

    answer = await world.userinfo(tokens["access_token"])

    keys = jwt.PyJWKSet.from_dict((await world.get("/oauth2/jwks")).json())
    header = jwt.get_unverified_header(answer.text)
    claims = jwt.decode(answer.text, keys[header["kid"]].key, algorithms=["RS256"], audience="app", issuer=ISSUER)
    assert answer.headers["content-type"] == "application/jwt"
    assert claims["sub"] == world.user.id
    assert header["typ"] == "userinfo+jwt"


async def test_what_was_told_is_sealed_without_the_values(world: World) -> None:
    await known_well(world)
    tokens = await world.tokens(scope="openid email")

    await world.userinfo(tokens["access_token"])

    [event] = world.recorder.of("userinfo_read")
    assert event["user"]["id"] == world.user.id
    assert event["grid"]["oauth"] == {"client_id": "app", "claims": ["email", "email_verified", "roles", "sub"]}
    assert "alice@example.com" not in str(event)


async def test_nothing_is_told_when_it_cannot_be_sealed(world: World) -> None:
    tokens = await world.tokens()
    world.recorder.is_down = True

    answer = await world.userinfo(tokens["access_token"])

    assert answer.status_code == 503
    assert "alice" not in answer.text


async def test_a_single_page_application_may_ask_from_anywhere(world: World) -> None:
    tokens = await world.tokens()

    asked = await world.get(PATH, headers={"Authorization": f"Bearer {tokens['access_token']}",
                                           "Origin": "https://spa.example"})
    refused = await world.get(PATH, headers={"Authorization": "Bearer nonsense", "Origin": "https://spa.example"})
    async with world.browser() as browser:
        before = await browser.options(PATH, headers={
            "Origin": "https://spa.example", "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization,dpop"})

    assert asked.headers["access-control-allow-origin"] == "*"
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "WWW-Authenticate" in refused.headers["access-control-expose-headers"]
    assert before.status_code == 204
    assert {"Authorization", "DPoP"} <= set(before.headers["access-control-allow-headers"].split(", "))
    assert "access-control-allow-credentials" not in before.headers


async def test_roles_are_those_of_this_moment(world: World) -> None:
    tokens = await world.tokens()
    await world.provider.set_roles("alice", frozenset({"analyst"}), by="admin")

    answer = await world.userinfo(tokens["access_token"])

    assert answer.json()["roles"] == ["analyst"]


async def test_a_bound_token_is_told_to_the_holder_of_its_key(world: World) -> None:
    """RFC 9449 section 7.1: the proof names this method, this URL and this token."""
    holder = Holder("app", world.clock, dpop=ClientKey.new())
    answer = await world.post("/oauth2/token", {
        "grant_type": "authorization_code", "code": await world.code(), "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER, "client_id": "app"}, headers={"DPoP": holder.proof()})
    token = answer.json()["access_token"]

    told = await world.get(PATH, headers=holder.proved("GET", f"{ISSUER}{PATH}", token))
    borne = await world.userinfo(token)
    in_a_form = await world.post(PATH, {"access_token": token})

    assert answer.json()["token_type"] == "DPoP"
    assert (told.status_code, told.json()["sub"]) == (200, world.user.id)
    assert (borne.status_code, in_a_form.status_code) == (401, 401)


async def test_a_single_page_application_gets_its_tokens_from_anywhere(world: World) -> None:
    """A browser asks first because of the DPoP field, and may read tokens, refusals and nonces."""
    asking = {"Origin": "https://spa.example", "Access-Control-Request-Method": "POST",
              "Access-Control-Request-Headers": "dpop"}
    async with world.browser() as browser:
        before = [(await browser.options(f"/oauth2/{name}", headers=asking)).status_code
                  for name in ("token", "par", "revoke")]

    redeemed, refused = await world.redeem(await world.code()), await world.redeem("nonsense")

    assert before == [204, 204, 204]
    assert [answer.status_code for answer in (redeemed, refused)] == [200, 400]
    assert {answer.headers["access-control-allow-origin"] for answer in (redeemed, refused)} == {"*"}
