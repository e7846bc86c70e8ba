"""Requests in signed objects: what is inside counts, and nothing else."""

import pytest

from tests.identity.authorization.kit import (
    PAR,
    Objects,
    answered,
    asking,
    by_reference,
    fapi,
    finish,
    logged_in,
    register,
    told,
    visit,
)
from tests.identity.client_kit import ClientKey, Holder
from tests.identity.world import CALLBACK, ISSUER, World, hidden


@pytest.fixture
async def objects(world: World) -> Objects:
    """A baseline client that signs."""
    holder = Holder("signer", world.clock)
    await register(world, "signer", holder=holder)
    return Objects(holder)


async def test_a_signed_request_by_value_is_answered_as_it_says(world: World, objects: Objects) -> None:
    """RFC 9101 section 6.3: only the parameters inside are used, whatever stands outside."""
    request = objects.make(state="inside", nonce="n-inside")
    async with world.browser() as browser:
        await logged_in(world, browser)

        answer = await visit(browser, client_id="signer", request=request, state="outside", nonce="n-outside",
                             redirect_uri="https://evil.test/", scope="openid api", response_type="code")

    assert answered(answer)["state"] == "inside"
    row = await world.pool.fetchrow("SELECT c.nonce, g.scopes FROM identity.codes c JOIN identity.grants g "
                                    "ON g.id = c.grant_id WHERE g.client_id = 'signer'")
    assert (row["nonce"], row["scopes"]) == ("n-inside", ["openid", "profile"])


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
async def test_every_algorithm_of_clients_is_read(world: World, algorithm: str) -> None:
    """OpenID Discovery section 3: request_object_signing_alg_values_supported."""
    holder = Holder("other", world.clock, ClientKey.new(algorithm))
    await register(world, "other", holder=holder)
    async with world.browser() as browser:
        await logged_in(world, browser)

        answer = await visit(browser, client_id="other", request=Objects(holder).make())

    assert "code" in answered(answer)


@pytest.mark.parametrize("typ", ["oauth-authz-req+jwt", "application/oauth-authz-req+jwt", "JWT", None])
async def test_the_types_of_both_standards_are_read(world: World, objects: Objects, typ: str | None) -> None:
    """RFC 9101 section 10.8 names a type, OIDC Core section 6 none."""
    objects.typ = typ
    async with world.browser() as browser:
        await logged_in(world, browser)

        answer = await visit(browser, client_id="signer", request=objects.make(), response_type="code", scope="openid")

    assert "code" in answered(answer)


async def test_the_page_in_between_brings_back_what_was_inside(world: World, objects: Objects) -> None:
    """The form carries the parameters that were verified, under our own seal."""
    async with world.browser() as browser:
        login = await visit(browser, client_id="signer", request=objects.make(state="inside"), state="outside")
        world.clock.advance(400)

        answer = await finish(world, browser, login)

    assert answered(answer)["state"] == "inside"


async def test_claims_of_json_shape_become_parameters(world: World, objects: Objects) -> None:
    """RFC 9101 section 4: parameters that are JSON stand as JSON, numbers as numbers."""
    claims = {"userinfo": {"email": {"essential": True}}}
    async with world.browser() as browser:
        await logged_in(world, browser)

        answer = await visit(browser, client_id="signer", request=objects.make(
            claims=claims, max_age=3_600, resource=[f"{ISSUER}/api"]))

    assert "code" in answered(answer)
    terms = await world.pool.fetchval("SELECT terms::text FROM identity.grants WHERE client_id = 'signer'")
    assert '"essential": true' in terms
    assert f"{ISSUER}/api" in terms


async def test_a_signed_request_can_be_pushed(world: World) -> None:
    """RFC 9126 section 3: authentication beside it, everything else inside."""
    holder = await fapi(world, require_signed_request_object=True)
    answer = await world.post(PAR, holder.asserted(client_id="fapi", request=Objects(holder).make(state="inside")))
    async with world.browser() as browser:
        await logged_in(world, browser)

        response = await visit(browser, **by_reference(answer.json()["request_uri"]))

    assert answered(response)["state"] == "inside"


async def test_a_client_that_must_sign_is_not_heard_without(world: World) -> None:
    """RFC 9101 section 10.5."""
    holder = await fapi(world, require_signed_request_object=True)
    await register(world, "must", holder=Holder("must", world.clock), require_signed_request_object=True)

    pushed = await world.post(PAR, holder.asserted() | asking())
    plain = await world.get("/oauth2/authorize", params=asking("must"))

    assert (pushed.status_code, pushed.json()["error"]) == (400, "invalid_request")
    assert told(plain) == "invalid_request"


async def test_an_error_inside_is_told_at_the_place_inside(world: World, objects: Objects) -> None:
    answer = await world.get("/oauth2/authorize", params={
        "client_id": "signer", "request": objects.make(scope="openid admin", state="inside")})

    assert told(answer) == "invalid_scope"
    assert answered(answer)["state"] == "inside"


async def test_a_request_of_a_client_whose_keys_are_out_of_reach_is_refused(world: World) -> None:
    """SSRF: jwks_uri inside our walls is never asked."""
    holder = Holder("far", world.clock)
    await register(world, "far", jwks_uri="https://127.0.0.1/jwks")

    answer = await world.get("/oauth2/authorize", params={"client_id": "far", "request": Objects(holder).make()})

    assert told(answer) == "invalid_request_object"


async def test_a_request_that_no_form_can_carry_is_sent_to_par(world: World, objects: Objects) -> None:
    claims = {"userinfo": {f"a_claim_with_a_long_name_{number}": None for number in range(60)}}

    answer = await world.get("/oauth2/authorize", params={
        "client_id": "signer", "request": objects.make(claims=claims, state="s" * 1_000, nonce="n" * 1_000,
                                                       login_hint="l" * 200, ui_locales="u" * 200)})

    assert told(answer) == "invalid_request"
    assert "par" in answered(answer)["error_description"]


async def test_the_login_form_after_a_signed_request_is_ours(world: World, objects: Objects) -> None:
    async with world.browser() as browser:
        login = await visit(browser, client_id="signer", request=objects.make())
        page = await browser.get(login.headers["location"])

    assert page.status_code == 200
    assert hidden(page.text)
    assert f"form-action 'self' https: {CALLBACK.rpartition('/')[0]}" in page.headers["content-security-policy"]
