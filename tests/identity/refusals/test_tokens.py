"""What the token endpoint must refuse: each attack by its name, and what it must leave unharmed."""

import json
from typing import Any

import pytest

from tests.identity.client_kit import Holder
from tests.identity.tokens.kit import (
    METER,
    basic,
    code_for,
    error_of,
    fapi,
    introspected,
    proved,
    redemption,
    register,
    token,
)
from tests.identity.world import CALLBACK, World

LOAD = "https://load.grid.test/api"


async def test_a_verifier_without_a_stored_challenge(world: World) -> None:
    """RFC 9700 section 2.1.1: a downgrade by leaving the challenge out is noticed."""
    who = await register(world, "site", require_pkce=False)
    code = await code_for(world, "site", is_challenged=False)

    answer = await token(world, redemption(code), who)

    assert error_of(answer) == (400, "invalid_grant")
    assert (await token(world, redemption(code, code_verifier=""), who)).status_code == 200


@pytest.mark.parametrize("verifier", ["", "a" * 42, "a" * 129, "é" * 43, "a" * 42 + " ", "b" * 43, "a" * 42 + "\u0130"])
async def test_a_verifier_that_is_missing_or_wrong(world: World, verifier: str) -> None:
    """RFC 7636 sections 4.1 and 4.6; 400, never 500 (fapi2-...-incorrect-pkce-code-verifier-rejected)."""
    holder = await fapi(world)

    answer = await proved(world, holder, redemption(await code_for(world, "fapi"), code_verifier=verifier))

    assert error_of(answer) == (400, "invalid_grant")


@pytest.mark.parametrize("place", [
    "", CALLBACK + "/", CALLBACK.upper(), CALLBACK + "?x=1", CALLBACK + "#x", CALLBACK.replace("/c", "//c"),
    CALLBACK.replace("callback", "x/../callback"), CALLBACK.replace("callback", "%63allback"),
    CALLBACK.replace("https://", "https://user@"), CALLBACK.replace(".test", ".test:443"),
])
async def test_a_redirect_uri_that_is_not_the_same_text(world: World, place: str) -> None:
    """RFC 6749 section 4.1.3, RFC 9700 section 2.1: simple string comparison."""
    answer = await world.redeem(await code_for(world, "app"), redirect_uri=place)

    assert error_of(answer) == (400, "invalid_grant")


async def test_a_code_of_another_client(world: World) -> None:
    """RFC 6749 section 4.1.3 (fapi2-...-ensure-authorization-code-is-bound-to-client); its owner is unharmed."""
    holder, second = await fapi(world), await fapi(world, "fapi-2")
    code = await code_for(world, "fapi")

    stolen = await proved(world, second, redemption(code))

    assert error_of(stolen) == (400, "invalid_grant")
    assert (await proved(world, holder, redemption(code))).status_code == 200


async def test_a_code_replayed_by_another_client_hurts_nobody(world: World) -> None:
    """RFC 6749 section 10.5: only its own client's replay tells of a leak."""
    holder, second = await fapi(world), await fapi(world, "fapi-2")
    code = await code_for(world, "fapi")
    first = (await proved(world, holder, redemption(code))).json()

    await proved(world, second, redemption(code))

    assert (await introspected(world, first["access_token"])).json()["active"] is True
    assert world.recorder.of("code_replayed") == []


@pytest.mark.parametrize("seconds", [0, 1, 30])
async def test_a_code_replayed_by_its_own_client(world: World, seconds: int) -> None:
    """RFC 6749 section 4.1.2 (oidcc-codereuse, oidcc-codereuse-30seconds, fapi2-...-attempt-reuse-...-one-second)."""
    holder = await fapi(world)
    code = await code_for(world, "fapi")
    first = (await proved(world, holder, redemption(code))).json()
    world.clock.advance(seconds)

    replay = await proved(world, holder, redemption(code))

    assert error_of(replay) == (400, "invalid_grant")
    assert (await introspected(world, first["access_token"])).json() == {"active": False}
    assert len(world.recorder.of("code_replayed")) == 1


async def test_an_expired_code(world: World) -> None:
    """RFC 6749 section 4.1.2 (fapi2-...-ensure-token-endpoint-fails-with-expired-auth-code)."""
    holder = await fapi(world)
    code = await code_for(world, "fapi")
    world.clock.advance(61)

    assert error_of(await proved(world, holder, redemption(code))) == (400, "invalid_grant")


async def test_a_code_bound_to_another_key(world: World) -> None:
    """RFC 9449 section 10: dpop_jkt is held to the proof at the token endpoint, and a wrong one spends nothing."""
    holder = await fapi(world)
    bound = await code_for(world, "fapi", jkt=holder.dpop.jkt)

    stolen = await proved(world, Holder("fapi", world.clock, holder.key), redemption(bound))

    assert error_of(stolen) == (400, "invalid_grant")
    assert (await proved(world, holder, redemption(bound))).status_code == 200


async def test_a_code_bound_by_a_pushed_proof(world: World) -> None:
    """RFC 9449 section 10.1: the proof of a pushed request binds the code as dpop_jkt does."""
    who = await register(world, "bound")
    holder = Holder("bound", world.clock)
    code = await code_for(world, "bound", jkt=holder.dpop.jkt)

    bare = await token(world, redemption(code), who)

    assert error_of(bare) == (400, "invalid_grant")


async def test_a_token_without_a_key_for_a_fapi2_client(world: World) -> None:
    """FAPI 2.0 Security Profile 5.3.2.1: only sender-constrained tokens."""
    holder = await fapi(world)

    bare = await world.post("/oauth2/token", holder.asserted() | redemption(await code_for(world, "fapi")))

    assert error_of(bare) == (400, "invalid_request")


@pytest.mark.parametrize(("asked", "code"), [
    ([("resource", "https://other.grid.test")], "invalid_target"),
    ([("resource", "relative")], "invalid_target"),
    ([("resource", LOAD + "#x")], "invalid_target"),
    ([("resource", f"https://r{n}.grid.test") for n in range(11)], "invalid_target"),
    ([("authorization_details", json.dumps([METER]))], "invalid_authorization_details"),
    ([("authorization_details", "[")], "invalid_authorization_details"),
    ([("redirect_uri", CALLBACK)], "invalid_request"),
])
async def test_more_than_was_granted_or_twice_the_same(world: World, asked: list[tuple[str, str]], code: str) -> None:
    """RFC 8707 section 2.2, RFC 9396 section 6, RFC 6749 section 3.2."""
    who = await register(world, "site", resources=(LOAD,))
    fields = [*redemption(await code_for(world, "site", resources=(LOAD,))).items(), *asked]

    assert error_of(await token(world, fields, who)) == (400, code)


@pytest.mark.parametrize("asked", [{"resource": "https://other.grid.test"}, {"scope": "openid api"},
                                   {"authorization_details": json.dumps([METER])}])
async def test_a_refresh_that_asks_for_more_and_does_not_consume_the_token(world: World, asked: dict[str, Any]) -> None:
    """RFC 6749 section 6, RFC 8707 section 2.2, RFC 9396 section 6."""
    who = await register(world, "site")
    first = (await token(world, redemption(await code_for(world, "site")), who)).json()
    refreshing = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}

    refused = await token(world, refreshing | asked, who)

    assert refused.status_code == 400
    assert (await token(world, refreshing, who)).status_code == 200


@pytest.mark.parametrize("grant_type", ["password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "x"])
async def test_a_grant_type_we_do_not_have(world: World, grant_type: str) -> None:
    """RFC 6749 section 5.2, RFC 9700 section 2.4."""
    answer = await token(world, {"grant_type": grant_type, "username": "alice", "password": "x"},
                         basic("machine", world.secret))

    assert error_of(answer) == (400, "unsupported_grant_type")


async def test_every_refusal_is_json_that_nobody_keeps_and_is_in_the_ledger(world: World) -> None:
    """RFC 6749 section 5.2; the secret of the request is not."""
    answer = await world.redeem("gw_code_" + "0" * 32 + "." + "A" * 43)

    event = world.recorder.of("token_refused")[0]
    assert answer.headers["content-type"] == "application/json"
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    assert event["event"]["reason"] == "invalid_grant"
    assert "gw_code" not in json.dumps(event)
