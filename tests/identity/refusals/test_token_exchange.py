"""Token exchange must give nobody more than they had (RFC 8693): each way by its name."""

from typing import Any

import pytest

from tests.identity.tokens.kit import ACCESS_TOKEN, EXCHANGE, OWN_API, basic, error_of, register, token
from tests.identity.tokens.test_exchange import BILLS, exchange, service, token_of_alice
from tests.identity.world import World


@pytest.mark.parametrize("audience", ["https://elsewhere.grid.test", OWN_API, BILLS + "/"])
async def test_an_audience_that_is_not_on_the_client_s_list(world: World, audience: str) -> None:
    """RFC 8693 section 2.2.2: invalid_target."""
    who = await service(world)

    answer = await exchange(world, await token_of_alice(world), who, audience=audience)

    assert error_of(answer) == (400, "invalid_target")


async def test_one_audience_of_two_that_is_not_on_the_list(world: World) -> None:
    """RFC 8693 section 2.1: audience and resource may be repeated, and all of them count."""
    who, subject = await service(world), await token_of_alice(world)

    answer = await token(world, [("grant_type", EXCHANGE), ("subject_token", subject),
                                 ("subject_token_type", ACCESS_TOKEN), ("audience", BILLS),
                                 ("resource", "https://elsewhere.grid.test")], who)

    assert error_of(answer) == (400, "invalid_target")


async def test_no_audience_where_the_subject_s_own_is_not_on_the_list(world: World) -> None:
    """RFC 8693 section 2.1: saying nothing is no way round the list."""
    answer = await exchange(world, await token_of_alice(world), await service(world), audience="")

    assert error_of(answer) == (400, "invalid_target")


@pytest.mark.parametrize("scope", ["read", "api admin", "openid", "offline_access"])
async def test_more_scope_than_the_subject_token_has(world: World, scope: str) -> None:
    """The design's rule: never more scope; and no login, no offline access from an exchange."""
    who = await service(world, scopes="openid profile api read offline_access")

    answer = await exchange(world, await token_of_alice(world), who, scope=scope)

    assert error_of(answer) == (400, "invalid_scope")


async def test_a_token_that_was_not_meant_for_this_client(world: World) -> None:
    """RFC 8693 section 5: who stumbles on a token cannot trade it in."""
    who = await register(world, "stranger", grants=frozenset({EXCHANGE}), exchange_audiences=(BILLS,))

    answer = await exchange(world, await token_of_alice(world), who)

    assert error_of(answer) == (400, "invalid_request")


async def test_a_client_without_the_grant_type(world: World) -> None:
    """RFC 6749 section 5.2."""
    answer = await exchange(world, await token_of_alice(world), basic("machine", world.secret))

    assert error_of(answer) == (400, "unauthorized_client")


@pytest.mark.parametrize("kind", ["id_token", "refresh_token"])
async def test_another_token_in_its_place(world: World, kind: str) -> None:
    """RFC 8693 section 2.1, RFC 8725 section 3.11."""
    tokens = await world.tokens()

    answer = await exchange(world, tokens[kind], await service(world))

    assert error_of(answer) == (400, "invalid_request")


@pytest.mark.parametrize("fields", [
    {"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, {"subject_token_type": ""},
    {"subject_token": ""}, {"subject_token": "x.y.z"}, {"requested_token_type": "urn:x"},
    {"actor_token_type": ACCESS_TOKEN}, {"actor_token": "x.y.z", "actor_token_type": ACCESS_TOKEN},
    {"actor_token": "x.y.z"},
])
async def test_a_malformed_exchange(world: World, fields: dict[str, str]) -> None:
    """RFC 8693 sections 2.1 and 2.2.2."""
    answer = await exchange(world, await token_of_alice(world), await service(world), **fields)

    assert error_of(answer) == (400, "invalid_request")


async def test_an_actor_token_of_somebody_else(world: World) -> None:
    """RFC 8693 section 2.1: nobody acts under another's name."""
    who = await service(world)
    other = (await token(world, {"grant_type": "client_credentials"}, basic("machine", world.secret))).json()

    answer = await exchange(world, await token_of_alice(world), who, actor_token=other["access_token"],
                            actor_token_type=ACCESS_TOKEN)

    assert error_of(answer) == (400, "invalid_request")


async def test_an_actor_the_subject_token_does_not_name(world: World) -> None:
    """RFC 8693 section 4.4: may_act."""
    who, named = await service(world), await service(world, "clearing")
    subject = (await token(world, {"grant_type": "client_credentials"}, await register(
        world, "owner", grants=frozenset({"client_credentials"}), scopes="read", may_act="clearing"))).json()

    refused = await exchange(world, subject["access_token"], who)
    taken = await exchange(world, subject["access_token"], named)

    assert error_of(refused) == (400, "invalid_request")
    assert taken.status_code == 200


async def test_a_chain_of_actors_without_an_end(world: World) -> None:
    """RFC 8693 section 4.1, the design's rule: chains are bounded."""
    services = [await service(world, f"hop-{n}", audiences=(BILLS,)) for n in range(6)]
    subject: Any = await token_of_alice(world)

    answers = []
    for who in services:
        answers.append(await exchange(world, subject, who))
        subject = answers[-1].json().get("access_token", subject)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 400, 400]


async def test_a_token_narrowed_again_and_again(world: World) -> None:
    """The design's rule: what hangs below a grant is bounded."""
    who = await service(world, exchange_audiences=(BILLS,), audiences=(BILLS,))
    subject: Any = await token_of_alice(world)

    answers = []
    for _ in range(7):
        answers.append(await exchange(world, subject, who))
        subject = answers[-1].json().get("access_token", subject)

    assert [answer.status_code for answer in answers] == [200] * 5 + [400] * 2


async def test_a_subject_token_that_is_dead(world: World) -> None:
    """RFC 8693 section 2.2.2."""
    who, subject = await service(world), await token_of_alice(world)
    expired = await token_of_alice(world)
    await world.post("/oauth2/revoke", {"token": subject, "client_id": "app"})
    revoked = await exchange(world, subject, who)
    world.clock.advance(601)

    assert error_of(revoked) == error_of(await exchange(world, expired, who)) == (400, "invalid_request")


async def test_a_public_client(world: World) -> None:
    """RFC 8693 section 5: it could be anybody."""
    await register(world, "open", grants=frozenset({EXCHANGE}), public=True, exchange_audiences=(BILLS,))

    answer = await exchange(world, await token_of_alice(world), {}, client_id="open")

    assert error_of(answer) == (400, "unauthorized_client")
