"""The authorization code flow, from the first redirect to the refreshed token, and everything that must not pass."""

import asyncio

import asyncpg
import httpx2 as httpx
import jwt
import pytest

from shared_kernel.events import Event, Receipt
from tests.identity.world import CALLBACK, ISSUER, World, authorization, parameter


async def test_a_login_ends_at_the_client_with_code_state_and_issuer(world: World) -> None:
    """RFC 6749 section 4.1.2, RFC 9207 section 2."""
    async with world.browser() as browser:
        first = await browser.get("/oauth2/authorize", params=authorization())
        page = await browser.get(first.headers["location"])

        answer = await world.login(browser, page)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{CALLBACK}?code=gw_code_")
    assert parameter(answer, "state") == "xyz"
    assert parameter(answer, "iss") == ISSUER


async def test_the_tokens_verify_with_an_independent_library(world: World) -> None:
    """RFC 9068 section 2.2, OIDC Core section 2: PyJWT reads our keys and our claims."""
    answer = await world.tokens()

    keys = jwt.PyJWKSet.from_dict(await world.provider.jwks())
    options: jwt.types.Options = {"verify_exp": False, "verify_iat": False}
    key = keys[jwt.get_unverified_header(answer["access_token"])["kid"]]
    access = jwt.decode(answer["access_token"], key, ["ES256"], audience=f"{ISSUER}/api", issuer=ISSUER,
                        options=options)
    identity = jwt.decode(answer["id_token"], key, ["ES256"], audience="app", issuer=ISSUER, options=options)
    assert jwt.get_unverified_header(answer["access_token"])["typ"] == "at+jwt"
    assert access["sub"] == identity["sub"] == world.user.id
    assert access["roles"] == ["grid_viewer"]
    assert access["client_id"] == "app"
    assert access["sid"] == identity["sid"]
    assert identity["nonce"] == "n-0S6"
    assert identity["preferred_username"] == "alice"


async def test_twenty_parallel_redemptions_give_exactly_one_answer(world: World) -> None:
    """RFC 6749 section 4.1.2: a code MUST NOT be used more than once."""
    code = await world.code()

    answers = await asyncio.gather(*(world.redeem(code) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19


async def test_a_replayed_code_kills_what_it_had_issued(world: World) -> None:
    """RFC 6749 section 4.1.2: tokens issued for a replayed code SHOULD be revoked."""
    code = await world.code()
    answer = (await world.redeem(code)).json()
    assert (await world.userinfo(answer["access_token"])).status_code == 200

    replay = await world.redeem(code)

    assert (replay.status_code, replay.json()["error"]) == (400, "invalid_grant")
    assert (await world.userinfo(answer["access_token"])).status_code == 401
    assert (await world.refresh(answer["refresh_token"])).status_code == 400
    assert len(world.recorder.of("code_replayed")) == 1


async def test_a_code_replayed_after_it_expired_still_kills_the_grant(world: World) -> None:
    """RFC 9700 section 2.1.1: the leak is as real a minute later."""
    code = await world.code()
    answer = (await world.redeem(code)).json()
    world.clock.advance(120)

    await world.redeem(code)

    assert (await world.userinfo(answer["access_token"])).status_code == 401


async def test_a_foreign_client_replaying_a_code_leaves_its_owner_unharmed(world: World) -> None:
    """RFC 6749 section 4.1.3: the code is bound to its client, and only that client's replay counts."""
    code = await world.code()
    answer = (await world.redeem(code)).json()

    replay = await world.redeem(code, client_id="third")

    assert replay.json()["error"] == "invalid_grant"
    assert (await world.userinfo(answer["access_token"])).status_code == 200


async def test_a_foreign_client_cannot_spend_a_code(world: World) -> None:
    """RFC 6749 section 4.1.3."""
    code = await world.code()

    stolen = await world.redeem(code, client_id="third")

    assert stolen.status_code == 400
    assert (await world.redeem(code)).status_code == 200


async def test_an_expired_code_is_refused(world: World) -> None:
    """RFC 6749 section 4.1.2: codes are short-lived."""
    code = await world.code()
    world.clock.advance(61)

    answer = await world.redeem(code)

    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.parametrize("verifier", ["a" * 42, "a" * 129, "é" * 43, "a" * 42 + " ", "b" * 43, "a" * 42 + "\u0130"])
async def test_a_wrong_verifier_is_refused_and_does_not_consume_the_code(world: World, verifier: str) -> None:
    """RFC 7636 sections 4.1 and 4.6: 400, never 500."""
    code = await world.code()

    answer = await world.redeem(code, code_verifier=verifier)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert (await world.redeem(code)).status_code == 200


async def test_a_missing_verifier_is_refused(world: World) -> None:
    """RFC 7636 section 4.6: nothing is no verifier that fits (fapi2-...-ensure-pkce-code-verifier-required)."""
    answer = await world.redeem(await world.code(), code_verifier="")

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("redirect_uri", ["", CALLBACK + "/", "https://evil.test/callback"])
async def test_another_redirect_uri_at_the_token_endpoint_is_refused(world: World, redirect_uri: str) -> None:
    """RFC 6749 section 4.1.3."""
    answer = await world.redeem(await world.code(), redirect_uri=redirect_uri)

    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.parametrize("code", [
    "x", "gw_code_" + "0" * 32 + "." + "A" * 43, "gw_refresh_" + "0" * 32 + "." + "A" * 43,
])
async def test_an_unknown_code_is_refused(world: World, code: str) -> None:
    """RFC 6749 section 5.2."""
    answer = await world.redeem(code)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_a_code_with_another_secret_is_refused(world: World) -> None:
    """RFC 6749 section 10.10: knowing the id is knowing nothing."""
    code = await world.code()

    answer = await world.redeem(code[:-1] + ("A" if code[-1] != "A" else "B"))

    assert answer.json()["error"] == "invalid_grant"


async def test_nothing_is_issued_and_nothing_burned_while_the_ledger_is_down(world: World) -> None:
    """Our invariant: claim, issue and seal stand or fall together."""
    code = await world.code()
    world.recorder.is_down = True
    refused = await world.redeem(code)
    world.recorder.is_down = False

    answer = await world.redeem(code)

    assert refused.status_code == 503
    assert answer.status_code == 200


async def test_a_refreshed_token_works_and_the_old_refresh_token_is_spent(world: World) -> None:
    """RFC 6749 section 6, RFC 9700 section 4.14.2."""
    first = await world.tokens()

    second = await world.refresh(first["refresh_token"])

    assert second.status_code == 200
    assert second.json()["refresh_token"] != first["refresh_token"]
    assert "id_token" in second.json()
    assert (await world.userinfo(second.json()["access_token"])).json()["sub"] == world.user.id


async def test_a_public_client_may_repeat_a_lost_refresh_once_within_thirty_seconds(world: World) -> None:
    """RFC 9700 section 4.14.2, the bounded grace window."""
    first = await world.tokens()
    await world.refresh(first["refresh_token"])
    world.clock.advance(29)

    again = await world.refresh(first["refresh_token"])
    third = await world.refresh(first["refresh_token"])

    assert again.status_code == 200
    assert third.status_code == 400
    assert (await world.userinfo(again.json()["access_token"])).status_code == 401


async def test_a_refresh_token_reused_after_the_window_kills_the_grant(world: World) -> None:
    """RFC 9700 section 4.14.2."""
    first = await world.tokens()
    second = (await world.refresh(first["refresh_token"])).json()
    world.clock.advance(31)

    reuse = await world.refresh(first["refresh_token"])

    assert reuse.json()["error"] == "invalid_grant"
    assert (await world.userinfo(second["access_token"])).status_code == 401
    assert len(world.recorder.of("refresh_replayed")) == 1


async def test_twenty_parallel_refreshes_of_a_confidential_client_give_exactly_one_answer(world: World) -> None:
    """RFC 9700 section 4.14.2: no grace for a client that can authenticate."""
    code = await world.code(client_id="web")
    secret = "s+e:c r%et" * 5
    first = (await world.redeem(code, client_id="web", client_secret=secret)).json()

    answers = await asyncio.gather(*(
        world.refresh(first["refresh_token"], client_id="web", client_secret=secret) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19


async def test_a_foreign_client_reusing_a_refresh_token_leaves_its_owner_unharmed(world: World) -> None:
    """RFC 6749 section 10.4: the token is bound to its client."""
    first = await world.tokens()
    await world.refresh(first["refresh_token"])

    reuse = await world.refresh(first["refresh_token"], client_id="third")

    assert reuse.json()["error"] == "invalid_grant"
    assert (await world.userinfo(first["access_token"])).status_code == 200


async def test_a_refresh_cannot_broaden_the_scope_and_is_not_consumed_by_trying(world: World) -> None:
    """RFC 6749 section 6."""
    first = await world.tokens(scope="openid")

    broader = await world.refresh(first["refresh_token"], scope="openid profile")

    assert broader.json()["error"] == "invalid_scope"
    assert (await world.refresh(first["refresh_token"])).status_code == 200


async def test_a_refresh_may_narrow_the_scope(world: World) -> None:
    """RFC 6749 section 6: and the refresh token keeps the scope it had."""
    first = await world.tokens()

    narrow = (await world.refresh(first["refresh_token"], scope="openid")).json()

    assert narrow["scope"] == "openid"
    assert (await world.refresh(narrow["refresh_token"])).json()["scope"] == "openid profile"


async def test_an_expired_refresh_token_is_refused(world: World) -> None:
    """RFC 6749 section 5.2: it dies with its session."""
    first = await world.tokens()
    world.clock.advance(43_201)

    answer = await world.refresh(first["refresh_token"])

    assert answer.json()["error"] == "invalid_grant"


async def test_a_refresh_fails_whole_while_the_ledger_is_down(world: World) -> None:
    """Our invariant: a token is not burned without another in its place."""
    first = await world.tokens()
    world.recorder.is_down = True
    refused: httpx.Response = await world.refresh(first["refresh_token"])
    world.recorder.is_down = False

    answer = await world.refresh(first["refresh_token"])

    assert refused.status_code == 503
    assert answer.status_code == 200


async def test_a_database_gone_in_mid_redemption_leaves_nothing_half_done(world: World, postgres_url: str) -> None:
    """The connection dies after the claim and before the commit: 503, and the code is still good."""
    code = await world.code()
    admin = await asyncpg.connect(postgres_url)

    async def cut(_: Event) -> Receipt:
        await admin.execute("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname LIKE 'test_%' AND pid <> pg_backend_pid()""")
        return Receipt(0, b"")

    world.recorder.record = cut  # type: ignore[method-assign, assignment]  # the outage happens while the event is sealed
    refused = await world.redeem(code)
    del world.recorder.record
    await admin.close()

    answer = await world.redeem(code)

    assert (refused.status_code, answer.status_code) == (503, 200)
