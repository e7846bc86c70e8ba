"""Pushed authorization requests: what the browser carries is a reference, used once, by one client."""

import asyncio

import pytest

from tests.identity.authorization.kit import (
    AUTHORIZE,
    PAR,
    answered,
    asking,
    by_reference,
    decide,
    fapi,
    finish,
    is_page,
    logged_in,
    push,
    push_with_proof,
    pushed,
    redeemed,
    register,
    told,
    visit,
)
from tests.identity.client_kit import ClientKey
from tests.identity.world import ISSUER, World, parameter


async def test_a_push_is_answered_with_a_reference_and_its_lifetime(world: World) -> None:
    """RFC 9126 section 2.2: 201, JSON, not kept; FAPI 2.0 section 5.3.2.2: less than 600 seconds."""
    holder = await fapi(world)

    answer = await push(world, holder)

    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/json")
    assert "no-store" in answer.headers["cache-control"]
    assert answer.json()["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert 60 <= answer.json()["expires_in"] < 600


async def test_what_was_pushed_is_what_is_granted(world: World) -> None:
    """RFC 9126 section 4: the browser brings client_id and request_uri, and nothing else is listened to."""
    holder = await fapi(world)
    reference = await pushed(world, holder, state="inside")
    async with world.browser() as browser:
        await logged_in(world, browser)

        answer = answered(await visit(browser, **by_reference(reference, state="outside", scope="openid admin")))

    assert (answer["state"], answer["iss"]) == ("inside", ISSUER)
    code = await world.pool.fetchrow("SELECT nonce, code_challenge FROM identity.codes c JOIN identity.grants g "
                                     "ON g.id = c.grant_id WHERE g.client_id = 'fapi'")
    assert (code["nonce"], len(code["code_challenge"])) == ("n-0S6", 43)


async def test_a_request_survives_the_login_that_outlasts_its_reference(world: World) -> None:
    """The 90 seconds are for the way to us; our own pages have ten minutes."""
    holder = await fapi(world)
    reference = await pushed(world, holder)
    async with world.browser() as browser:
        login = await visit(browser, **by_reference(reference))
        world.clock.advance(300)

        answer = await finish(world, browser, login)

    assert "code" in answered(answer)


async def test_a_public_client_pushes_under_its_name(world: World) -> None:
    """RFC 9126 section 2: whoever authenticates by nothing at the token endpoint does so here."""
    answer = await world.post(PAR, asking("app"))

    assert answer.status_code == 201


async def test_the_secret_of_a_client_is_not_kept_with_its_request(world: World) -> None:
    secret = await register(world, "web2")

    await world.post(PAR, asking("web2") | {"client_secret": secret})

    kept = await world.pool.fetchval("SELECT parameters::text FROM identity.pushed_requests")
    assert secret not in kept
    assert "client_secret" not in kept


async def test_client_id_may_be_left_to_the_authentication(world: World) -> None:
    holder = await fapi(world)
    fields = holder.asserted() | asking()
    del fields["client_id"]

    answer = await world.post(PAR, fields)

    assert answer.status_code == 201


async def test_the_key_that_pushes_is_the_key_that_redeems(world: World) -> None:
    """RFC 9449 section 10.1: a proof at the PAR endpoint binds the code like dpop_jkt does."""
    holder = await fapi(world)
    answer = await push_with_proof(world, holder)
    async with world.browser() as browser:
        await logged_in(world, browser)
        code = parameter(await visit(browser, **by_reference(answer.json()["request_uri"])), "code")

    assert await world.pool.fetchval("SELECT jkt FROM identity.codes WHERE jkt IS NOT NULL") == holder.dpop.jkt
    other = await redeemed(world, holder, code, ClientKey.new())
    assert (other.status_code, other.json()["error"]) == (400, "invalid_grant")


async def test_a_matching_dpop_jkt_beside_the_proof_is_fine(world: World) -> None:
    holder = await fapi(world)

    answer = await push_with_proof(world, holder, dpop_jkt=holder.dpop.jkt)

    assert answer.status_code == 201


async def test_a_reference_may_be_visited_again_before_it_is_answered(world: World) -> None:
    """FAPI 2.0 section 5.3.2.2 note 3: one use is of the authorization, not of the page."""
    holder = await fapi(world)
    reference = await pushed(world, holder)
    async with world.browser() as browser:
        first = await visit(browser, **by_reference(reference))
        await browser.get(first.headers["location"])

        answer = await finish(world, browser, await visit(browser, **by_reference(reference)))

    assert "code" in answered(answer)


async def test_twenty_at_once_with_one_reference_get_one_code(world: World) -> None:
    """RFC 9126 section 7.3, on PostgreSQL."""
    holder = await fapi(world)
    reference = await pushed(world, holder)
    async with world.browser() as browser:
        await logged_in(world, browser)

        answers = await asyncio.gather(*(visit(browser, **by_reference(reference)) for _ in range(20)))

    kinds = sorted("code" if "code" in answered(answer) else told(answer) for answer in answers)
    assert kinds == ["code", *["invalid_request_uri"] * 19]
    assert await world.pool.fetchval("SELECT count(*) FROM identity.grants WHERE client_id = 'fapi'") == 1


async def test_a_double_click_on_allow_leaves_one_code_that_works(world: World) -> None:
    """Whoever clicks twice lands in the application with the last code; the first is spent."""
    holder = await fapi(world, first_party=False)
    reference = await pushed(world, holder)
    async with world.browser() as browser:
        await logged_in(world, browser)
        page = await browser.get((await visit(browser, **by_reference(reference))).headers["location"])

        answers = [await decide(browser, page), await decide(browser, page)]

    codes = [parameter(answer, "code") for answer in answers]
    first, second = [await redeemed(world, holder, code) for code in codes]
    assert first.json()["error"] == "invalid_grant"
    assert second.status_code == 200


async def test_twenty_clicks_at_once_leave_one_code_that_works(world: World) -> None:
    holder = await fapi(world, first_party=False)
    reference = await pushed(world, holder)
    async with world.browser() as browser:
        await logged_in(world, browser)
        page = await browser.get((await visit(browser, **by_reference(reference))).headers["location"])

        answers = await asyncio.gather(*(decide(browser, page) for _ in range(20)))

    assert all("code" in answered(answer) for answer in answers)
    alive = """SELECT count(*) FROM identity.codes c JOIN identity.grants g ON g.id = c.grant_id
        WHERE g.client_id = 'fapi' AND c.used_at_us IS NULL AND g.revoked_at_us IS NULL"""
    assert await world.pool.fetchval(alive) == 1


async def test_a_click_after_the_code_was_redeemed_says_so(world: World) -> None:
    """The grant that works is left alone."""
    holder = await fapi(world, first_party=False)
    reference = await pushed(world, holder)
    async with world.browser() as browser:
        await logged_in(world, browser)
        page = await browser.get((await visit(browser, **by_reference(reference))).headers["location"])
        tokens = await redeemed(world, holder, parameter(await decide(browser, page), "code"))

        late = await decide(browser, page)

    assert tokens.status_code == 200
    assert is_page(late, 409)
    assert "answered already" in late.text
    assert await world.pool.fetchval(
        "SELECT count(*) FROM identity.grants WHERE client_id = 'fapi' AND revoked_at_us IS NULL") == 1


async def test_no_is_an_answer_too_and_uses_the_reference_up(world: World) -> None:
    holder = await fapi(world, first_party=False)
    reference = await pushed(world, holder)
    async with world.browser() as browser:
        await logged_in(world, browser)
        page = await browser.get((await visit(browser, **by_reference(reference))).headers["location"])

        denied, changed_mind = await decide(browser, page, "deny"), await decide(browser, page)

    assert told(denied) == "access_denied"
    assert is_page(changed_mind, 409)


async def test_old_requests_are_pruned(world: World) -> None:
    holder = await fapi(world)
    await pushed(world, holder)
    world.clock.advance(2 * 86_400)

    await world.provider.prune()

    assert await world.pool.fetchval("SELECT count(*) FROM identity.pushed_requests") == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_only_post_pushes(world: World, method: str) -> None:
    """RFC 9126 section 2.3: 405."""
    async with world.browser() as browser:
        answer = await browser.request(method, PAR)

    assert answer.status_code == 405


async def test_the_endpoint_also_takes_a_reference_in_a_form(world: World) -> None:
    holder = await fapi(world)
    reference = await pushed(world, holder)
    async with world.browser() as browser:
        await logged_in(world, browser)

        answer = await browser.post(AUTHORIZE, data=by_reference(reference))

    assert "code" in answered(answer)
