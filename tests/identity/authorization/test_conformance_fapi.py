"""What the OpenID Foundation's plan *FAPI 2.0 Security Profile Final* checks at PAR and authorization, a test a module.

Names are the modules' without `fapi2-security-profile-final-`. The refusals are in tests/identity/refusals.
"""

import pytest

from tests.identity.authorization.kit import (
    answered,
    as_json,
    asking,
    by_reference,
    decide,
    fapi,
    finish,
    push,
    push_with_proof,
    pushed,
    redeemed,
    register,
    told,
    visit,
)
from tests.identity.client_kit import ClientKey, Holder, self_signed
from tests.identity.world import ISSUER, World, parameter


@pytest.fixture
async def holder(world: World) -> Holder:
    """A client as the suite is configured: FAPI 2.0, private_key_jwt, DPoP, a stranger to the house."""
    return await fapi(world, first_party=False)


async def authorized(world: World, holder: Holder, **changes: str) -> dict[str, str]:
    """Push, log in, consent; answer what the client gets."""
    reference = await pushed(world, holder, **changes)
    async with world.browser() as browser:
        return answered(await finish(world, browser, await visit(browser, **by_reference(reference))))


async def test_happy_flow(world: World, holder: Holder) -> None:
    """happy-flow: code, state and iss; a 303; tokens bound by DPoP."""
    answer = await authorized(world, holder)

    assert answer.keys() == {"code", "state", "iss"}
    assert answer["iss"] == ISSUER
    tokens = (await redeemed(world, holder, answer["code"])).json()
    assert tokens["token_type"] == "DPoP"


async def test_user_rejects_authentication(world: World, holder: Holder) -> None:
    """user-rejects-authentication: access_denied, with state and iss."""
    reference = await pushed(world, holder)
    async with world.browser() as browser:
        answer = await finish(world, browser, await visit(browser, **by_reference(reference)), decision="deny")

    assert told(answer) == "access_denied"
    assert answered(answer)["state"] == "xyz"


@pytest.mark.parametrize("changes", [
    {"state": ""}, {"nonce": ""}, {"nonce": "n" * 64}, {"nonce": "n" * 384}, {"state": "s" * 1_000},
    {"scope": "profile openid"}, {"claims": as_json({"id_token": {"name": {"essential": True}}, "userinfo": {
        "email": None}})},
])
async def test_requests_that_must_succeed(world: World, holder: Holder, changes: dict[str, str]) -> None:
    """What is unusual and allowed.

    ensure-authorization-request-without-state-success, -without-nonce-success, -with-64-char-nonce-success,
    -with-long-nonce, -with-long-state, ensure-other-scope-order-succeeds, test-claims-parameter-identity-claims.
    """
    answer = await authorized(world, holder, **changes)

    assert "code" in answer
    assert answer.get("state", "") == changes.get("state", "xyz")


@pytest.mark.parametrize("beside", [{"state": "outside"}, {"nonce": "outside"}, {"redirect_uri": "https://evil.test/"},
                                    {"scope": "openid admin"}, {"response_type": "token"}])
async def test_different_inside_and_outside(world: World, holder: Holder, beside: dict[str, str]) -> None:
    """ensure-different-state-inside-and-outside-request-object, ensure-different-nonce-...: what was pushed counts."""
    reference = await pushed(world, holder, state="inside", nonce="inside")
    async with world.browser() as browser:
        answer = answered(await finish(world, browser, await visit(browser, **by_reference(reference, **beside))))

    assert answer["state"] == "inside"
    assert await world.pool.fetchval("SELECT nonce FROM identity.codes ORDER BY expires_at_us DESC LIMIT 1") == "inside"


async def test_state_only_outside_request_object_not_used(world: World, holder: Holder) -> None:
    """state-only-outside-request-object-not-used."""
    reference = await pushed(world, holder, state="")
    async with world.browser() as browser:
        answer = await finish(world, browser, await visit(browser, **by_reference(reference, state="outside")))

    assert "state" not in answered(answer)


async def test_par_without_duplicate_parameters(world: World, holder: Holder) -> None:
    """par-without-duplicate-parameters: client_id and request_uri alone."""
    assert "code" in await authorized(world, holder)


async def test_par_ensure_reused_request_uri_prior_to_auth_completion_succeeds(world: World, holder: Holder) -> None:
    """par-ensure-reused-request-uri-prior-to-auth-completion-succeeds."""
    reference = await pushed(world, holder)
    async with world.browser() as first, world.browser() as second:
        await first.get((await visit(first, **by_reference(reference))).headers["location"])

        answer = await finish(world, second, await visit(second, **by_reference(reference)))

    assert "code" in answered(answer)


async def test_par_attempt_reuse_request_uri(world: World, holder: Holder) -> None:
    """par-attempt-reuse-request_uri: told as invalid_request_uri, so that nobody must look at a picture."""
    reference = await pushed(world, holder)
    async with world.browser() as browser:
        await finish(world, browser, await visit(browser, **by_reference(reference)))

        answer = await visit(browser, **by_reference(reference))

    assert told(answer) == "invalid_request_uri"


async def test_ensure_dpop_proof_at_par_endpoint_binding_success(world: World, holder: Holder) -> None:
    """ensure-dpop-proof-at-par-endpoint-binding-success, ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt."""
    reference = (await push_with_proof(world, holder)).json()["request_uri"]
    async with world.browser() as browser:
        code = parameter(await finish(world, browser, await visit(browser, **by_reference(reference))), "code")

    assert (await redeemed(world, holder, code, ClientKey.new())).json()["error"] == "invalid_grant"


async def test_ensure_dpop_auth_code_binding_success(world: World, holder: Holder) -> None:
    """ensure-dpop-auth-code-binding-success, ensure-token-endpoint-fails-with-mismatched-dpop-jkt."""
    right = await authorized(world, holder, dpop_jkt=holder.dpop.jkt)
    wrong = await authorized(world, holder, dpop_jkt=ClientKey.new().jkt)

    assert (await redeemed(world, holder, right["code"])).status_code == 200
    assert (await redeemed(world, holder, wrong["code"])).json()["error"] == "invalid_grant"


async def test_a_client_with_a_certificate_pushes_too(world: World) -> None:
    """happy-flow with mtls as client authentication; without the certificate it is a stranger (RFC 8705 section 2)."""
    certificate = self_signed("CN=mtls", at=world.clock)
    await register(world, "mtls", profile="fapi2", auth_method="self_signed_tls_client_auth", certificate_bound=True,
                   jwks={"keys": [certificate.jwk]})

    stranger = await world.post("/oauth2/par", asking("mtls"))
    world.gateway.certificate = certificate.der
    answer = await world.post("/oauth2/par", asking("mtls"))

    assert (stranger.status_code, stranger.json()["error"]) == (401, "invalid_client")
    assert answer.status_code == 201


async def test_consent_is_asked_once(world: World, holder: Holder) -> None:
    """happy-flow runs many times: the second time nobody is asked."""
    async with world.browser() as browser:
        first = await visit(browser, **by_reference(await pushed(world, holder)))
        consent = await world.login(browser, await browser.get(first.headers["location"]))
        await decide(browser, await browser.get(consent.headers["location"]))

        again = await visit(browser, **by_reference(await pushed(world, holder)))

    assert "code" in answered(again)


async def test_the_code_lives_a_minute(world: World, holder: Holder) -> None:
    """attempt-to-use-expired-auth-code; FAPI 2.0 section 5.3.2.1: at most 60 seconds."""
    answer = await authorized(world, holder)
    world.clock.advance(61)

    late = await redeemed(world, holder, answer["code"])

    assert late.json()["error"] == "invalid_grant"


async def test_a_push_that_fails_names_the_reason(world: World, holder: Holder) -> None:
    answer = await push(world, holder, response_type="token")

    assert answer.json()["error_description"]
