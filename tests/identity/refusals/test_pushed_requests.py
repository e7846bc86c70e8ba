"""Pushed requests that are refused, at the push or when the browser brings the reference."""

import pytest

from tests.identity.authorization.kit import (
    METER,
    PAR,
    PAR_URL,
    answered,
    as_json,
    asking,
    by_reference,
    fapi,
    is_page,
    logged_in,
    push,
    push_with_proof,
    pushed,
    told,
    visit,
)
from tests.identity.client_kit import ClientKey
from tests.identity.world import CALLBACK, World

REFUSALS = [
    pytest.param({"redirect_uri": "https://evil.test/"}, "invalid_request", id="unregistered redirect_uri"),
    pytest.param({"redirect_uri": ""}, "invalid_request", id="no redirect_uri (FAPI 2.0 5.3.2.2)"),
    pytest.param({"request_uri": "https://evil.test/"}, "invalid_request", id="request_uri pushed (RFC 9126 2.1)"),
    pytest.param({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request", id="nested reference"),
    pytest.param({"response_type": "token"}, "unsupported_response_type", id="response_type=token"),
    pytest.param({"response_type": "code id_token"}, "unsupported_response_type", id="response_type=code id_token"),
    pytest.param({"response_type": "none"}, "unsupported_response_type", id="response_type=none"),
    pytest.param({"code_challenge": ""}, "invalid_request", id="no PKCE (FAPI 2.0 5.3.2.2)"),
    pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="plain PKCE (FAPI 2.0 5.3.2.2)"),
    pytest.param({"code_challenge_method": ""}, "invalid_request", id="PKCE without a method"),
    pytest.param({"scope": "openid admin"}, "invalid_scope", id="unregistered scope"),
    pytest.param({"scope": ""}, "invalid_scope", id="no scope"),
    pytest.param({"prompt": "none login"}, "invalid_request", id="prompt none and another"),
    pytest.param({"claims": "{"}, "invalid_request", id="claims that are no JSON (OIDC Core 5.5)"),
    pytest.param({"authorization_details": as_json([METER])}, "invalid_authorization_details",
                 id="details of an unregistered type (RFC 9396 5)"),
    pytest.param({"resource": "https://other.test/"}, "invalid_target", id="unregistered resource (RFC 8707 2)"),
    pytest.param({"dpop_jkt": "short"}, "invalid_request", id="dpop_jkt that is no thumbprint (RFC 9449 10)"),
    pytest.param({"id_token_hint": "x.y.z"}, "invalid_request", id="id_token_hint that is none"),
    pytest.param({"response_mode": "fragment"}, "invalid_request", id="fragment"),
]


@pytest.mark.parametrize(("changes", "error"), REFUSALS)
async def test_what_cannot_be_granted_is_refused_at_the_push(world: World, changes: dict[str, str], error: str) -> None:
    """RFC 9126 section 2.3: the same errors as at the authorization endpoint, as JSON."""
    holder = await fapi(world)

    answer = await push(world, holder, **changes)

    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.headers["content-type"] == "application/json"
    assert await world.pool.fetchval("SELECT count(*) FROM identity.pushed_requests") == 0


async def test_a_stranger_cannot_push(world: World) -> None:
    """RFC 9126 section 2.1: client authentication as at the token endpoint; the refusal is sealed."""
    holder = await fapi(world)

    answers = [await world.post(PAR, fields) for fields in (
        asking(), holder.asserted(holder.assertion(iss="x")) | asking(), asking("web") | {"client_secret": "wrong"})]

    assert {(answer.status_code, answer.json()["error"]) for answer in answers} == {(401, "invalid_client")}
    assert len(world.recorder.of("token_refused")) == 3


async def test_client_id_and_assertion_must_agree(world: World) -> None:
    """RFC 7521 section 4.2."""
    holder = await fapi(world)

    answer = await world.post(PAR, holder.asserted() | asking("app"))

    assert answer.status_code in {400, 401}


async def test_a_doubled_parameter_is_refused(world: World) -> None:
    """RFC 6749 section 3.1."""
    holder = await fapi(world)
    fields = {**holder.asserted(), **asking(), "scope": ["openid", "openid"]}

    answer = await world.post(PAR, fields)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_parameters_in_the_url_are_refused(world: World) -> None:
    """RFC 9126 section 2.1: in the body, and nowhere else."""
    holder = await fapi(world)

    answer = await world.post(f"{PAR}?state=x", holder.asserted() | asking())

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_proof_and_another_dpop_jkt_are_refused(world: World) -> None:
    """RFC 9449 section 10.1; `fapi2-...-ensure-mismatched-dpop-jkt-fails`."""
    holder = await fapi(world)

    answer = await push_with_proof(world, holder, dpop_jkt=ClientKey.new().jkt)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


async def test_a_proof_for_another_endpoint_is_refused(world: World) -> None:
    """RFC 9449 section 4.3: htu."""
    holder = await fapi(world)
    nonce = (await push(world, holder, holder.proof(url=PAR_URL))).headers["dpop-nonce"]

    answer = await push(world, holder, holder.proof(nonce=nonce))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


async def test_a_proof_serves_once(world: World) -> None:
    """RFC 9449 section 11.1."""
    holder = await fapi(world)
    nonce = (await push(world, holder, holder.proof(url=PAR_URL))).headers["dpop-nonce"]
    proof = holder.proof(url=PAR_URL, nonce=nonce)

    answers = [await push(world, holder, proof) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 400]


async def test_a_used_reference_is_refused(world: World) -> None:
    """RFC 9126 section 7.3, FAPI 2.0 5.3.2.2: one use; told to the client as invalid_request_uri."""
    holder = await fapi(world)
    reference = await pushed(world, holder)
    async with world.browser() as browser:
        await logged_in(world, browser)
        first = await visit(browser, **by_reference(reference))

        second = await visit(browser, **by_reference(reference))

    assert "code" in answered(first)
    assert told(second) == "invalid_request_uri"
    assert answered(second)["state"] == "xyz"


async def test_an_expired_reference_is_refused(world: World) -> None:
    """RFC 9126 section 4."""
    holder = await fapi(world)
    reference = await pushed(world, holder)
    world.clock.advance(91)

    answer = await world.get("/oauth2/authorize", params=by_reference(reference))

    assert told(answer) == "invalid_request_uri"


async def test_a_reference_of_another_client_leads_nowhere(world: World) -> None:
    """RFC 9126 section 7.4: bound to the client that pushed; and the owner can still use it."""
    holder, other = await fapi(world), await fapi(world, "other")
    reference = await pushed(world, holder)
    async with world.browser() as browser:
        await logged_in(world, browser)

        foreign = await visit(browser, **by_reference(reference, other.client_id))
        own = await visit(browser, **by_reference(reference))

    assert is_page(foreign)
    assert "code" in answered(own)


@pytest.mark.parametrize("reference", [
    "urn:ietf:params:oauth:request_uri:", "urn:ietf:params:oauth:request_uri:made-up",
    f"urn:ietf:params:oauth:request_uri:gw_request_{'0' * 32}.{'A' * 43}",
    f"urn:ietf:params:oauth:request_uri:gw_code_{'0' * 32}.{'A' * 43}",
])
async def test_a_made_up_reference_leads_nowhere(world: World, reference: str) -> None:
    """RFC 9126 section 7.1: not guessable."""
    await fapi(world)

    answer = await world.get("/oauth2/authorize", params=by_reference(reference, redirect_uri=CALLBACK))

    assert is_page(answer)


async def test_a_reference_with_half_its_secret_leads_nowhere(world: World) -> None:
    """RFC 9126 section 7.1: the id finds the row, the secret opens it."""
    holder = await fapi(world)
    reference = await pushed(world, holder)

    answer = await world.get("/oauth2/authorize", params=by_reference(f"{reference[:-4]}AAAA"))

    assert is_page(answer)


async def test_request_beside_a_reference_leads_nowhere(world: World) -> None:
    """RFC 9101 section 5."""
    holder = await fapi(world)
    reference = await pushed(world, holder)

    answer = await world.get("/oauth2/authorize", params=by_reference(reference, request="x.y.z"))

    assert is_page(answer)


async def test_fapi_asks_through_par_and_no_other_way(world: World) -> None:
    """FAPI 2.0 section 5.3.2.2; `fapi2-...-ensure-unsigned-authorization-request-without-using-par-fails`."""
    await fapi(world)

    answer = await world.get("/oauth2/authorize", params=asking())

    assert told(answer) == "invalid_request"


async def test_a_client_may_be_held_to_par(world: World) -> None:
    """RFC 9126 section 6: require_pushed_authorization_requests."""
    await fapi(world, "held", profile="baseline", require_pushed_requests=True)

    answer = await world.get("/oauth2/authorize", params=asking("held"))

    assert told(answer) == "invalid_request"


async def test_a_redirect_uri_that_was_taken_back_leads_nowhere(world: World) -> None:
    """Between push and visit the client's registration changed."""
    holder = await fapi(world)
    reference = await pushed(world, holder)
    await world.pool.execute("UPDATE identity.clients SET redirect_uris = '{https://new.grid.test/}' WHERE id = 'fapi'")

    answer = await world.get("/oauth2/authorize", params=by_reference(reference))

    assert is_page(answer)
