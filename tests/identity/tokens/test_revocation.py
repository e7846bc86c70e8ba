"""Making an end of a token, and with it of its grant (RFC 7009)."""

from tests.identity.tokens.kit import WEB_SECRET, basic, claims_of, error_of, introspected, register, token
from tests.identity.world import ISSUER, World


async def machine_token(world: World, **changes: str) -> str:
    answer = await token(world, {"grant_type": "client_credentials"} | changes, basic("machine", world.secret))
    return str(answer.json()["access_token"])


async def test_revoking_a_refresh_token_kills_the_whole_grant(world: World) -> None:
    """RFC 7009 section 2.1."""
    tokens = await world.tokens()
    assert (await world.userinfo(tokens["access_token"])).status_code == 200

    answer = await world.post("/oauth2/revoke", {"token": tokens["refresh_token"], "client_id": "app"})

    assert answer.status_code == 200
    assert (await world.userinfo(tokens["access_token"])).status_code == 401
    assert (await world.refresh(tokens["refresh_token"])).status_code == 400
    assert len(world.recorder.of("token_revoked")) == 1


async def test_revoking_an_access_token_works_and_an_unknown_one_is_already_dead(world: World) -> None:
    """RFC 7009 section 2.2."""
    token = await machine_token(world)
    who = basic("machine", world.secret)

    answers = [await world.post("/oauth2/revoke", {"token": text}, headers=who) for text in (token, token, "nonsense")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert (await world.userinfo(token)).status_code == 401


async def test_a_foreign_client_cannot_revoke(world: World) -> None:
    """RFC 7009 section 2.1: the request is refused and the owner unharmed."""
    tokens = await world.tokens()

    answer = await world.post("/oauth2/revoke", {"token": tokens["refresh_token"], "client_id": "third"})

    assert answer.status_code == 400
    assert (await world.userinfo(tokens["access_token"])).status_code == 200


async def test_nothing_is_revoked_while_the_ledger_is_down(world: World) -> None:
    tokens = await world.tokens()
    world.recorder.is_down = True

    answer = await world.post("/oauth2/revoke", {"token": tokens["refresh_token"], "client_id": "app"})

    world.recorder.is_down = False
    assert answer.status_code == 503
    assert (await world.userinfo(tokens["access_token"])).status_code == 200


