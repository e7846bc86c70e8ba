"""What a token is good for at this moment, and for whom that is no business (RFC 7662, RFC 9701)."""

import asyncpg
import jwt

from tests.identity.tokens.kit import (
    OWN_API,
    WEB_SECRET,
    basic,
    claims_of,
    code_for,
    introspected,
    redemption,
    register,
    token,
)
from tests.identity.world import CALLBACK, ISSUER, World

LOAD = "https://load.grid.test/api"


async def machine_token(world: World, **changes: str) -> str:
    answer = await token(world, {"grant_type": "client_credentials"} | changes, basic("machine", world.secret))
    return str(answer.json()["access_token"])


async def test_a_resource_server_learns_what_a_token_is_good_for(world: World) -> None:
    """RFC 7662 section 2.2."""
    tokens = await world.tokens()

    answer = await world.post("/oauth2/introspect", {"token": tokens["access_token"]},
                              headers=basic("machine", world.secret))

    found = answer.json()
    assert found["active"] is True
    assert (found["sub"], found["username"], found["client_id"]) == (world.user.id, "alice", "app")
    assert found["scope"] == "openid profile"


async def test_introspection_needs_a_client_that_proves_itself(world: World) -> None:
    """RFC 7662 section 2.1."""
    tokens = await world.tokens()

    for fields, headers in (({}, {}), ({"client_id": "app"}, {}), ({}, basic("machine", "x"))):
        answer = await world.post("/oauth2/introspect", {"token": tokens["access_token"]} | fields, headers=headers)
        assert answer.status_code == 401


async def test_every_dead_token_gets_the_one_uniform_answer(world: World) -> None:
    """RFC 7662 section 2.2: `{"active": false}` and nothing else."""
    tokens, machine = await world.tokens(), await machine_token(world)
    await world.post("/oauth2/revoke", {"token": tokens["refresh_token"], "client_id": "app"})
    world_of_web = basic("web", WEB_SECRET)
    cases = [(tokens["access_token"], basic("machine", world.secret)), ("nonsense", basic("machine", world.secret)),
             (tokens["id_token"], basic("machine", world.secret)), (machine, world_of_web)]

    answers = [await world.post("/oauth2/introspect", {"token": token}, headers=who) for token, who in cases]

    assert {answer.content for answer in answers} == {b'{"active":false}'}


async def test_it_tells_how_the_person_came_in(world: World) -> None:
    """RFC 9470 section 6.2, RFC 9068 section 2.2.1."""
    who = await register(world, "site")
    first = (await token(world, redemption(await code_for(world, "site", scope="openid api")), who)).json()

    found = (await introspected(world, first["access_token"])).json()

    assert (found["acr"], found["amr"]) == ("urn:gridwarden:acr:mfa", ["otp", "pwd"])
    assert found["auth_time"] == claims_of(first["access_token"])["auth_time"]
    assert (found["aud"], found["iss"], found["token_type"]) == (OWN_API, ISSUER, "Bearer")
    assert found["roles"] == ["grid_viewer"]


async def test_it_can_be_asked_for_as_a_jwt_for_the_caller_alone(world: World) -> None:
    """RFC 9701 section 5."""
    issued = await machine_token(world)

    answer = await introspected(world, issued, accept="application/token-introspection+jwt")
    dead = await introspected(world, "nonsense", accept="application/token-introspection+jwt")

    claims = claims_of(answer.text)
    assert answer.headers["content-type"] == "application/token-introspection+jwt"
    assert jwt.get_unverified_header(answer.text)["typ"] == "token-introspection+jwt"
    assert claims.keys() == {"iss", "aud", "iat", "token_introspection"}
    assert (claims["iss"], claims["aud"]) == (ISSUER, "machine")
    assert claims["token_introspection"]["active"] is True
    assert claims_of(dead.text)["token_introspection"] == {"active": False}


async def test_the_jwt_is_signed_as_the_caller_asked(world: World) -> None:
    """RFC 9701 section 6: introspection_signed_response_alg."""
    who = await register(world, "meters", grants=frozenset({"client_credentials"}), roles=frozenset({"service"}),
                         introspection_signing_alg="PS256")

    answer = await introspected(world, await machine_token(world), who, accept="application/token-introspection+jwt")

    assert jwt.get_unverified_header(answer.text)["alg"] == "PS256"


async def test_the_jwt_of_an_answer_is_no_access_token(world: World) -> None:
    """RFC 9701 section 8.1, RFC 8725 section 3.11."""
    answer = await introspected(world, await machine_token(world), accept="application/token-introspection+jwt")

    assert (await world.userinfo(answer.text)).status_code == 401
    assert (await introspected(world, answer.text)).content == b'{"active":false}'


async def test_the_wrong_resource_server_hears_the_one_uniform_answer(world: World) -> None:
    """RFC 7662 section 4: a token for one API is no business of another's."""
    load = await register(world, "load-api", grants=frozenset({"client_credentials"}), audiences=(LOAD,))
    who = await register(world, "site", resources=(LOAD,))
    own = (await token(world, redemption(await code_for(world, "site")), who)).json()["access_token"]
    loads = (await token(world, redemption(await code_for(world, "site", resources=(LOAD,))), who)).json()[
        "access_token"]

    answers = {name: (await introspected(world, text, asker)).content for name, text, asker in (
        ("load-api, for our API", own, load), ("our API, for load", loads, basic("machine", world.secret)))}

    assert set(answers.values()) == {b'{"active":false}'}
    assert (await introspected(world, loads, load)).json()["aud"] == LOAD
    assert (await introspected(world, loads, who)).json()["active"] is True


async def test_a_refresh_token_is_its_client_s_business_alone(world: World) -> None:
    """RFC 7662 section 2.1: token_type_hint is a hint."""
    who = await register(world, "site")
    first = (await token(world, redemption(await code_for(world, "site")), who)).json()

    own = await world.post("/oauth2/introspect", {"token": first["refresh_token"], "token_type_hint": "access_token"},
                           headers=who)
    other = await introspected(world, first["refresh_token"])

    assert (own.json()["active"], own.json()["client_id"], own.json()["scope"]) == (True, "site", "openid profile")
    assert other.content == b'{"active":false}'


async def test_a_spent_refresh_token_is_inactive(world: World) -> None:
    who = await register(world, "site")
    first = (await token(world, redemption(await code_for(world, "site")), who)).json()
    await token(world, {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}, who)

    answer = await introspected(world, first["refresh_token"], who)

    assert answer.content == b'{"active":false}'


async def test_a_remembered_answer_is_forgotten_at_the_revocation_and_at_the_expiry(world: World) -> None:
    """The design: revocation is pushed, not waited for."""
    first, second = await machine_token(world), await machine_token(world)
    for text in (first, second, first, second):
        assert (await introspected(world, text)).json()["active"] is True

    await world.post("/oauth2/revoke", {"token": first}, headers=basic("machine", world.secret))
    revoked, alive = await introspected(world, first), await introspected(world, second)
    world.clock.advance(600)

    assert revoked.content == b'{"active":false}'
    assert alive.json()["active"] is True
    assert (await introspected(world, second)).content == b'{"active":false}'


async def test_a_remembered_answer_has_the_roles_of_this_moment(world: World) -> None:
    first = await world.tokens()
    await introspected(world, first["access_token"])

    await world.provider.set_roles(world.user.id, frozenset({"auditor"}), by="admin")

    assert (await introspected(world, first["access_token"])).json()["roles"] == ["auditor"]


async def test_a_caller_that_lost_its_role_hears_nothing_more(world: World) -> None:
    """RFC 7662 section 4: in this process at once."""
    first = await world.tokens()
    await introspected(world, first["access_token"])

    await world.provider.ensure_client("machine", redirect_uris=[CALLBACK], secret=world.secret)

    assert (await introspected(world, first["access_token"])).content == b'{"active":false}'


async def test_introspection_never_writes(world: World, postgres_url: str) -> None:
    """The design: it answers from a database that takes no writes at all."""
    first = await world.tokens()
    name = await world.pool.fetchval("SELECT current_database()")
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await admin.close()
    await world.pool.expire_connections()

    answers = [(await introspected(world, text)).json()["active"]
               for text in (first["access_token"], first["refresh_token"], "nonsense")]

    assert answers == [True, False, False]
