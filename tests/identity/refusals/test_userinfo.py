"""What the userinfo endpoint must refuse."""

import pytest

from tests.identity.claims.test_id_tokens import settle
from tests.identity.tokens import kit
from tests.identity.world import World

PATH = "/oauth2/userinfo"


async def test_no_token_is_challenged_without_an_error_code(world: World) -> None:
    """RFC 6750 section 3.1: a request without authentication learns the scheme and nothing else."""
    answer = await world.get(PATH)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Bearer realm="gridwarden"')
    assert "error" not in answer.headers["www-authenticate"]


async def test_a_token_without_openid_is_not_enough(world: World) -> None:
    """OpenID Connect Core 5.3.1: userinfo without `openid` is refused."""
    tokens = await world.tokens(scope="profile")

    answer = await world.userinfo(tokens["access_token"])

    assert answer.status_code == 403
    assert answer.json()["error"] == "insufficient_scope"
    assert 'error="insufficient_scope", scope="openid"' in answer.headers["www-authenticate"]


async def test_a_token_in_the_query_is_refused(world: World) -> None:
    """RFC 6750 section 2.3, RFC 9700 section 4.3.2: never in the URL."""
    tokens = await world.tokens()

    answer = await world.get(PATH, params={"access_token": tokens["access_token"]})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_two_ways_at_once_are_refused(world: World) -> None:
    """RFC 6750 section 2: one method in one request."""
    tokens = await world.tokens()

    answer = await world.post(PATH, {"access_token": tokens["access_token"]},
                              headers={"Authorization": f"Bearer {tokens['access_token']}"})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_token_twice_in_the_form_is_refused(world: World) -> None:
    """RFC 6749 section 3.1: a parameter stands once."""
    tokens = await world.tokens()

    answer = await world.post(PATH, {"access_token": [tokens["access_token"], tokens["access_token"]]})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_revoked_token_is_refused(world: World) -> None:
    """RFC 6750 section 3.1: invalid_token for a revoked one."""
    tokens = await world.tokens()
    await world.post("/oauth2/revoke", {"token": tokens["access_token"], "client_id": "app"})

    answer = await world.userinfo(tokens["access_token"])

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("name", ["id_token", "refresh_token"])
async def test_no_other_token_passes_for_an_access_token(world: World, name: str) -> None:
    """RFC 9068 section 2.1, RFC 8725 section 3.11: the type tells them apart."""
    tokens = await world.tokens()

    answer = await world.userinfo(tokens[name])

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


async def test_a_signed_answer_is_no_access_token_and_no_hint(world: World) -> None:
    """RFC 8725 section 3.11: nor does userinfo's own JWT pass for anything else."""
    await settle(world, userinfo_signing_alg="ES256")
    tokens = await world.tokens()
    told = (await world.userinfo(tokens["access_token"])).text

    as_token = await world.userinfo(told)
    as_hint = await world.get("/oauth2/logout", params={"id_token_hint": told})

    assert (as_token.status_code, as_hint.status_code) == (401, 400)


async def test_a_client_for_itself_is_nobody_to_tell_of(world: World) -> None:
    """OpenID Connect Core 5.3: the claims are those of an authenticated person."""
    answer = await world.post("/oauth2/token", {"grant_type": "client_credentials"}, auth=("machine", world.secret))

    refused = await world.userinfo(answer.json()["access_token"])

    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")


async def test_a_locked_person_is_not_told_of(world: World) -> None:
    """RFC 6750 section 3.1: the token died with the account."""
    tokens = await world.tokens()
    await world.provider.lock_account("alice", reason="gone", by="admin")

    answer = await world.userinfo(tokens["access_token"])

    assert answer.status_code == 401


async def test_an_application_without_the_scope_api_learns_nothing_there_that_was_not_allowed(world: World) -> None:
    """OpenID Connect Core 5.4: e-mail and profile are for the scopes of that name, also at the API."""
    who = await kit.register(world, "third", first_party=False)
    code = await kit.code_for(world, "third", scope="openid", session=await kit.session_of_alice(world))
    answer = await kit.token(world, kit.redemption(code), who)

    told = await world.get("/api/v1/users/me", headers={"Authorization": f"Bearer {answer.json()['access_token']}"})

    assert told.json() == {"id": str(world.user.id), "roles": [], "kind": "person"}
