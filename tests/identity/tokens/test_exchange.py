"""Token exchange (RFC 8693): another audience, never more than before, and always by name."""

from typing import Any

import httpx2 as httpx

from shared_kernel.credentials import Credentials
from tests.identity.client_kit import Holder
from tests.identity.tokens.kit import (
    ACCESS_TOKEN,
    EXCHANGE,
    OWN_API,
    basic,
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

BILLS = "https://bills.grid.test/api"
LOAD = "https://load.grid.test/api"
MACHINE = frozenset({EXCHANGE, "client_credentials"})

Who = dict[str, str]


async def service(world: World, name: str = "billing", **settings: Any) -> Who:
    """Register a resource server of our API that may pass tokens on."""
    parts: dict[str, Any] = {"exchange_audiences": (BILLS, LOAD), "roles": frozenset({"service"}),
                             "scopes": "profile api read", "first_party": True} | settings
    return await register(world, name, grants=MACHINE, **parts)


async def token_of_alice(world: World, scope: str = "openid profile api", **changes: Any) -> str:
    answer = await world.redeem(await code_for(world, "app", scope=scope, **changes))
    return str(answer.json()["access_token"])


async def exchange(world: World, subject: str, who: Who, **fields: str) -> httpx.Response:
    asked = {"grant_type": EXCHANGE, "subject_token": subject, "subject_token_type": ACCESS_TOKEN,
             "audience": BILLS} | fields
    return await token(world, {name: value for name, value in asked.items() if value}, who)


async def test_a_service_gets_a_token_for_the_next_one_and_is_named_as_actor(world: World) -> None:
    """RFC 8693 sections 2.2.1 and 4.1."""
    who, subject = await service(world), await token_of_alice(world)

    answer = await exchange(world, subject, who)

    found, claims = answer.json(), claims_of(answer.json()["access_token"])
    assert found["issued_token_type"] == ACCESS_TOKEN
    assert found.keys() == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (claims["aud"], claims["sub"], claims["client_id"]) == (BILLS, world.user.id, "billing")
    assert claims["act"] == {"sub": "billing"}
    assert (claims["scope"], claims["roles"]) == ("api profile", ["grid_viewer"])
    assert claims["acr"] == claims_of(subject)["acr"]
    event = world.recorder.of("token_exchanged")[0]
    assert event["user"]["id"] == world.user.id
    assert event["grid"]["oauth"]["actor"] == {"sub": "billing"}


async def test_actors_are_nested_in_the_order_they_acted(world: World) -> None:
    """RFC 8693 section 4.1: the last one outermost."""
    first = await service(world)
    second = await service(world, "clearing", audiences=(BILLS,))
    once = (await exchange(world, await token_of_alice(world), first)).json()["access_token"]

    twice = await exchange(world, once, second, audience=LOAD)

    assert claims_of(twice.json()["access_token"])["act"] == {"sub": "clearing", "act": {"sub": "billing"}}


async def test_an_actor_token_names_the_actor(world: World) -> None:
    """RFC 8693 section 2.1."""
    who = await service(world)
    own = (await token(world, {"grant_type": "client_credentials"}, who)).json()["access_token"]

    answer = await exchange(world, await token_of_alice(world), who, actor_token=own, actor_token_type=ACCESS_TOKEN)

    assert claims_of(answer.json()["access_token"])["act"] == {"sub": "billing"}


async def test_the_exchanged_token_lives_no_longer_than_its_subject(world: World) -> None:
    """RFC 8693 section 2.2.1, the design's rule: never more life."""
    who, subject = await service(world), await token_of_alice(world)
    world.clock.advance(500)

    answer = await exchange(world, subject, who)

    assert claims_of(answer.json()["access_token"])["exp"] == claims_of(subject)["exp"]
    assert answer.json()["expires_in"] == 100


async def test_the_exchanged_token_dies_with_its_subject(world: World) -> None:
    """The design's kill switch: grants hang one below the other."""
    first = await service(world)
    second = await service(world, "clearing", audiences=(BILLS,))
    subject = await token_of_alice(world)
    once = (await exchange(world, subject, first)).json()["access_token"]
    twice = (await exchange(world, once, second, audience=OWN_API)).json()
    assert twice == {"error": "invalid_target", "error_description": twice["error_description"]}
    twice = (await exchange(world, once, second, audience=LOAD)).json()["access_token"]
    assert (await introspected(world, twice, second)).json()["active"] is True

    await world.post("/oauth2/revoke", {"token": subject, "client_id": "app"})

    assert (await introspected(world, once, first)).json() == {"active": False}
    assert (await introspected(world, twice, second)).json() == {"active": False}


async def test_the_exchanged_token_dies_with_the_session(world: World) -> None:
    who, session = await service(world), await session_of_alice(world)
    once = (await exchange(world, await token_of_alice(world, session=session), who)).json()["access_token"]

    await world.provider.logouts.end(session, world.gateway.context)

    assert (await introspected(world, once, who)).json() == {"active": False}


async def test_a_machine_s_token_passed_on_still_speaks_for_that_machine(world: World) -> None:
    """RFC 8693 section 1.1: delegation keeps the subject, with its roles and no others."""
    who = await service(world, exchange_audiences=(OWN_API,), roles=frozenset({"service", "admin"}))
    subject = (await token(world, {"grant_type": "client_credentials"}, basic("machine", world.secret))).json()

    answer = (await exchange(world, subject["access_token"], who, audience=OWN_API)).json()

    principal = await world.provider.authenticate(Credentials(f"Bearer {answer['access_token']}"))
    assert (principal.subject, principal.client_id, set(principal.roles)) == ("machine", "billing", {"service"})


async def test_a_first_party_service_gains_no_roles_a_third_party_did_not_have(world: World) -> None:
    """The design's rule: privilege gain is refused, at every later moment too."""
    who = await service(world)
    subject = (await world.redeem(await code_for(world, "third", scope="openid profile"), client_id="third")).json()

    answer = await exchange(world, subject["access_token"], who)

    assert claims_of(answer.json()["access_token"])["roles"] == []
    assert (await introspected(world, answer.json()["access_token"], who)).json()["roles"] == []


async def test_a_client_narrows_its_own_token_without_becoming_an_actor(world: World) -> None:
    """RFC 8693 section 2: fewer scopes, one audience."""
    who = await register(world, "site", grants=frozenset({"authorization_code", "refresh_token", EXCHANGE}),
                         exchange_audiences=(OWN_API,))
    subject = (await token(world, redemption(await code_for(world, "site", scope="openid profile api")), who)).json()

    answer = await exchange(world, subject["access_token"], who, audience=OWN_API, scope="profile")

    claims = claims_of(answer.json()["access_token"])
    assert claims["scope"] == "profile"
    assert "act" not in claims


async def test_a_bound_subject_token_is_exchanged_by_who_holds_its_key(world: World) -> None:
    """RFC 9449 section 7, RFC 8693 section 5: a stolen token is worth nothing here either."""
    grants = frozenset({"authorization_code", "refresh_token", EXCHANGE})
    holder = await fapi(world, "bound", grants=grants, exchange_audiences=(BILLS,))
    subject = (await proved(world, holder, redemption(await code_for(world, "bound", scope="profile")))).json()
    asked = {"grant_type": EXCHANGE, "subject_token": subject["access_token"], "subject_token_type": ACCESS_TOKEN,
             "audience": BILLS}

    own = await proved(world, holder, asked)
    stolen = await proved(world, Holder("bound", world.clock, holder.key), asked)
    passed_on = await token(world, asked, await service(world))

    assert claims_of(own.json()["access_token"])["cnf"] == {"jkt": holder.dpop.jkt}
    assert error_of(stolen) == error_of(passed_on) == (400, "invalid_request")
