"""What a token is good for at this moment, and for whom that is no business (RFC 7662, RFC 9701)."""

from tests.identity.tokens.kit import WEB_SECRET, basic, claims_of, error_of, introspected, register, token
from tests.identity.world import ISSUER, World


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


