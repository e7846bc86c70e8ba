"""Bound clients at the endpoints: what stands in the answers, header fields included."""

import jwt

from tests.identity.client_desk import ClientDesk
from tests.identity.client_kit import TOKEN_URL, Holder, client_ca
from tests.identity.world import ISSUER, World

GRANT = {"grant_type": "client_credentials", "scope": "read"}


def confirmed(access_token: str) -> dict[str, str]:
    """Return `cnf` of a token, unverified: the token's own tests verify."""
    found: dict[str, str] = jwt.decode(access_token, options={"verify_signature": False}).get("cnf", {})
    return found


async def test_a_fapi2_machine_gets_a_bound_token_in_two_steps(world: World) -> None:
    """RFC 9449 section 8: told the nonce, it repeats the same assertion with a new proof."""
    holder = await ClientDesk(world.provider, world.clock).holder()
    fields = holder.asserted() | GRANT

    told = await world.post("/oauth2/token", fields, headers={"DPoP": holder.proof()})
    nonce = told.headers["dpop-nonce"]
    answer = await world.post("/oauth2/token", fields, headers={"DPoP": holder.proof(nonce=nonce)})

    assert (told.status_code, told.json()["error"]) == (400, "use_dpop_nonce")
    assert (answer.status_code, answer.json()["token_type"]) == (200, "DPoP")
    assert confirmed(answer.json()["access_token"]) == {"jkt": holder.dpop.jkt}
    assert answer.headers["dpop-nonce"] == nonce
    assert answer.headers["cache-control"] == "no-store"


async def test_a_machine_bound_by_its_certificate_gets_a_bearer_token_with_cnf(world: World) -> None:
    """RFC 8705 section 3.1."""
    certificate = client_ca().issue(at=world.clock)
    desk = ClientDesk(world.provider, world.clock)
    holder = await desk.holder(certificate_bound=True)
    world.gateway.certificate = certificate.der

    answer = await world.post("/oauth2/token", holder.asserted() | GRANT)

    assert (answer.status_code, answer.json()["token_type"]) == (200, "Bearer")
    assert confirmed(answer.json()["access_token"]) == {"x5t#S256": certificate.thumbprint}


async def test_a_bound_token_is_refused_without_its_key_by_every_route(world: World) -> None:
    """RFC 9449 section 7.1: 401 with both schemes, the error at DPoP; a nonce when one is due."""
    holder = await ClientDesk(world.provider, world.clock).holder()
    nonce = world.provider.sender.nonce()
    answer = await world.post("/oauth2/token", holder.asserted() | GRANT, headers={"DPoP": holder.proof(nonce=nonce)})
    token, url = answer.json()["access_token"], f"{ISSUER}/api/v1/users/me"

    without = await world.get("/api/v1/users/me", headers={"Authorization": f"DPoP {token}"})
    stale = await world.get("/api/v1/users/me", headers=holder.proved("GET", url, token))
    bearer = await world.get("/api/v1/users/me", headers={"Authorization": f"Bearer {token}"})
    right = await world.get("/api/v1/users/me", headers=holder.proved("GET", url, token, nonce=nonce))

    assert [each.status_code for each in (without, stale, bearer)] == [401, 401, 401]
    assert without.headers["www-authenticate"].endswith('error="invalid_dpop_proof"')
    assert stale.headers["www-authenticate"].endswith('error="use_dpop_nonce"')
    assert stale.headers["dpop-nonce"] == nonce
    assert 'error="invalid_token", DPoP' in bearer.headers["www-authenticate"]
    assert right.status_code != 401


async def test_a_proof_at_a_protocol_endpoint_is_answered_with_a_nonce(world: World) -> None:
    """RFC 9449 section 8.2: a good answer brings the next nonce."""
    await ClientDesk(world.provider, world.clock).register("c1", secret="s" * 43)
    fields = GRANT | {"client_id": "c1", "client_secret": "s" * 43}

    plain = await world.post("/oauth2/token", fields)
    proved = await world.post("/oauth2/token", fields, headers={"DPoP": Holder("c1", world.clock).proof()})

    assert "dpop-nonce" not in plain.headers
    assert proved.headers["dpop-nonce"] == world.provider.sender.nonce()
    assert (plain.json()["token_type"], proved.json()["token_type"]) == ("Bearer", "DPoP")


async def test_a_refusal_is_challenged_only_where_the_header_was_tried(world: World) -> None:
    """RFC 6749 section 5.2."""
    by_body = await world.post("/oauth2/token", GRANT | {"client_id": "machine", "client_secret": "wrong"})
    by_header = await world.post("/oauth2/token", GRANT, auth=("machine", "wrong"))

    assert (by_body.status_code, by_header.status_code) == (401, 401)
    assert by_body.json() == by_header.json()
    assert by_header.headers["www-authenticate"].startswith("Basic ")


async def test_a_secret_in_the_query_is_refused_even_when_it_is_right(world: World) -> None:
    """RFC 6749 section 2.3.1: parameters must not stand in the URI."""
    query = f"/oauth2/token?client_id=machine&client_secret={world.secret}"

    answer = await world.post(query, GRANT)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_two_authorization_fields_are_refused(world: World) -> None:
    """RFC 9110 section 5.3, RFC 6749 section 2.3."""
    fields = [("Authorization", "Basic bWFjaGluZTp4"), ("Authorization", "Basic bWFjaGluZTp5")]

    answer = await world.post("/oauth2/token", GRANT, headers=fields)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_repeated_credential_is_refused(world: World) -> None:
    """RFC 6749 section 3.2: no parameter twice."""
    for name in ("client_id", "client_secret", "client_assertion", "client_assertion_type"):
        answer = await world.post("/oauth2/token", content=f"grant_type=client_credentials&{name}=a&{name}=a",
                                  headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_no_secret_and_no_proof_is_sealed(world: World) -> None:
    """Events are for auditors: who tried, why not, and never with what."""
    holder = await ClientDesk(world.provider, world.clock).holder()
    assertion, proof = holder.assertion(aud=TOKEN_URL), holder.proof()

    await world.post("/oauth2/token", holder.asserted(assertion) | GRANT, headers={"DPoP": proof})
    await world.post("/oauth2/token", GRANT | {"client_id": "machine", "client_secret": "hunter2hunter2"})

    sealed = str(world.recorder.events)
    assert len(world.recorder.of("token_refused")) == 2
    assert not any(each in sealed for each in (assertion, proof, "hunter2hunter2"))
