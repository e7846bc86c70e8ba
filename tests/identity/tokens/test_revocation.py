"""Making an end of a token, and with it of its grant (RFC 7009)."""

from tests.identity.tokens.kit import basic, error_of, introspected, register, token
from tests.identity.world import World

LOAD = "https://load.grid.test/api"


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


async def test_a_wrong_hint_changes_nothing_and_an_unknown_one_is_ignored(world: World) -> None:
    """RFC 7009 section 2.1."""
    first, second = await world.tokens(), await world.tokens()

    for tokens, hint in ((first, "access_token"), (second, "urn:x")):
        answer = await world.post("/oauth2/revoke", {
            "token": tokens["refresh_token"], "token_type_hint": hint, "client_id": "app"})
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")

    assert (await world.userinfo(first["access_token"])).status_code == 401
    assert (await world.userinfo(second["access_token"])).status_code == 401


async def test_a_missing_token_is_refused(world: World) -> None:
    """RFC 7009 section 2.1."""
    assert error_of(await world.post("/oauth2/revoke", {"client_id": "app"})) == (400, "invalid_request")


async def test_a_client_that_does_not_prove_itself_revokes_nothing(world: World) -> None:
    """RFC 7009 section 2.1."""
    issued = await machine_token(world)

    answer = await world.post("/oauth2/revoke", {"token": issued, "client_id": "machine"})

    assert error_of(answer) == (401, "invalid_client")
    assert (await introspected(world, issued)).json()["active"] is True


async def test_a_token_for_another_resource_is_revoked_too(world: World) -> None:
    who = await register(world, "feeder", grants=frozenset({"client_credentials"}), resources=(LOAD,))
    issued = (await token(world, {"grant_type": "client_credentials", "resource": LOAD}, who)).json()["access_token"]

    await world.post("/oauth2/revoke", {"token": issued}, headers=who)

    assert (await introspected(world, issued, who)).json() == {"active": False}
