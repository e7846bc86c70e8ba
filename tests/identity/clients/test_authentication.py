"""A client proves who it is by each method, and by its own only."""

from base64 import b64encode
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.domain.oauth.client_authentication import claim_of
from identity.domain.oauth.errors import AuthorizationError, InvalidClientError, OAuthError
from tests.identity.client_desk import ClientDesk
from tests.identity.client_kit import TOKEN_URL, ClientKey, Holder, client_ca, self_signed
from tests.identity.world import ISSUER

SECRET = "s+e:c r%et" * 5


def basic(client_id: str, secret: str) -> str:
    """Return the header as RFC 6749 section 2.3.1 spells it."""
    return "Basic " + b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()


async def test_a_secret_in_the_header_proves_the_client(desk: ClientDesk) -> None:
    await desk.register("c1", secret=SECRET)

    found = await desk.authenticate({}, authorization=basic("c1", SECRET))

    assert found.id == "c1"


async def test_a_secret_in_the_body_proves_the_client(desk: ClientDesk) -> None:
    await desk.register("c1", secret=SECRET)

    found = await desk.authenticate({"client_id": "c1", "client_secret": SECRET})

    assert found.id == "c1"


async def test_a_public_client_is_whoever_says_so(desk: ClientDesk) -> None:
    await desk.register("c1")

    found = await desk.authenticate({"client_id": "c1"})

    assert found.is_public


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "EdDSA"])
async def test_an_assertion_proves_a_fapi2_client(desk: ClientDesk, algorithm: str) -> None:
    signer = Holder("c1", desk.clock, ClientKey.new(algorithm))
    await desk.register("c1", auth_method="private_key_jwt", profile="fapi2", jwks=signer.jwks)

    found = await desk.authenticate(signer.asserted())

    assert found.id == "c1"


async def test_a_baseline_client_may_sign_rs256(desk: ClientDesk) -> None:
    signer = Holder("c1", desk.clock, ClientKey.new("RS256"))
    await desk.register("c1", auth_method="private_key_jwt", jwks=signer.jwks)

    found = await desk.authenticate(signer.asserted())

    assert found.id == "c1"


@pytest.mark.parametrize("registered", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("named", ["EdDSA", "Ed25519"])
async def test_both_names_of_ed25519_are_one_algorithm(desk: ClientDesk, registered: str, named: str) -> None:
    """RFC 9864 section 2.2."""
    signer = Holder("c1", desk.clock, ClientKey.new("EdDSA"))
    await desk.register("c1", auth_method="private_key_jwt", jwks=signer.jwks, auth_signing_alg=registered)

    found = await desk.authenticate(signer.asserted(signer.assertion(header={"alg": named})))

    assert found.id == "c1"


async def test_a_client_id_beside_an_assertion_is_taken_when_it_is_the_same(desk: ClientDesk) -> None:
    holder = await desk.holder()

    found = await desk.authenticate(holder.asserted(client_id="c1"))

    assert found.id == "c1"


async def test_the_token_endpoint_is_an_audience_for_baseline_clients(desk: ClientDesk) -> None:
    """OpenID Connect Core 9 names it; FAPI 2.0 5.3.2.1 takes the issuer only."""
    holder = await desk.holder(profile="baseline")

    found = await desk.authenticate(holder.asserted(holder.assertion(aud=TOKEN_URL)))

    assert found.id == "c1"


async def test_iat_and_nbf_eight_seconds_ahead_are_taken(desk: ClientDesk) -> None:
    """FAPI 2.0 Security Profile 5.3.2.1 (fapi2-...-par-ensure-jwt-client-assertion-with-iat-nbf-8-seconds ...)."""
    holder = await desk.holder()
    ahead = holder.now_s + 8

    found = await desk.authenticate(holder.asserted(holder.assertion(iat=ahead, nbf=ahead)))

    assert found.id == "c1"


async def test_an_assertion_needs_no_iat_and_dates_may_have_fractions(desk: ClientDesk) -> None:
    """RFC 7523 section 3: iat may be left out; RFC 7519 section 2: a NumericDate may have a fraction."""
    holder = await desk.holder()

    found = await desk.authenticate(holder.asserted(holder.assertion(iat=None, exp=holder.now_s + 30.5)))

    assert found.id == "c1"


@pytest.mark.parametrize("typ", [None, "JWT", "client-authentication+jwt"])
async def test_an_assertion_may_name_its_type(desk: ClientDesk, typ: str | None) -> None:
    holder = await desk.holder()

    found = await desk.authenticate(holder.asserted(holder.assertion(header={"typ": typ})))

    assert found.id == "c1"


async def test_a_certificate_of_a_known_authority_proves_the_client_by_its_subject(desk: ClientDesk) -> None:
    """RFC 8705 section 2.1."""
    await desk.register("c1", auth_method="tls_client_auth", tls_subject_dn="CN=client,O=Gridwarden")
    certificate = client_ca().issue("CN=client,O=Gridwarden", at=desk.clock)

    found = await desk.authenticate({"client_id": "c1"}, certificate=certificate.der)

    assert found.id == "c1"


@pytest.mark.parametrize(("setting", "value", "names"), [
    ("tls_san_dns", "Client.Grid.Test", {"dns": ["client.grid.test"]}),
    ("tls_san_uri", "urn:grid:c1", {"uri": ["urn:grid:c1"]}),
    ("tls_san_ip", "2001:db8:0::1", {"ip": ["2001:db8::1"]}),
    ("tls_san_email", "ops@GRID.test", {"email": ["ops@grid.test"]}),
])
async def test_a_certificate_proves_the_client_by_an_alternative_name(
        desk: ClientDesk, setting: str, value: str, names: dict[str, list[str]]) -> None:
    """RFC 8705 section 2.1.2."""
    await desk.register("c1", auth_method="tls_client_auth", **{setting: value})
    certificate = client_ca().issue("CN=x", at=desk.clock, **names)

    found = await desk.authenticate({"client_id": "c1"}, certificate=certificate.der)

    assert found.id == "c1"


async def test_a_registered_certificate_proves_the_client(desk: ClientDesk) -> None:
    """RFC 8705 section 2.2."""
    certificate = self_signed(at=desk.clock)
    await desk.register("c1", auth_method="self_signed_tls_client_auth", jwks={"keys": [certificate.jwk]})

    found = await desk.authenticate({"client_id": "c1"}, certificate=certificate.der)

    assert found.id == "c1"


async def test_an_assertion_may_be_repeated_with_the_nonce_its_proof_lacked(desk: ClientDesk) -> None:
    """RFC 9449 section 8: the refusal must use nothing up (the conformance suite signs the assertion once)."""
    holder = await desk.holder()
    asserted = holder.asserted()
    with pytest.raises(OAuthError) as refused:
        await desk.authenticate(asserted, proofs=(holder.proof(),))

    nonce = refused.value.headers["DPoP-Nonce"]
    found = await desk.authenticate(asserted, proofs=(holder.proof(nonce=nonce),))

    assert (refused.value.code, found.id) == ("use_dpop_nonce", "c1")


HALF = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=60)


@given(secret=HALF)
def test_any_secret_survives_the_header(secret: str) -> None:
    """RFC 6749 section 2.3.1: both halves are form-urlencoded before they are joined."""
    claim = claim_of(basic("a:b%c", secret), {})

    assert (claim.client_id, claim.secret) == ("a:b%c", secret)


@given(header=st.text(max_size=40), parameters=st.dictionaries(
    st.sampled_from(["client_id", "client_secret", "client_assertion", "client_assertion_type"]), st.text(max_size=30)))
def test_whatever_comes_is_a_claim_or_a_refusal(header: str, parameters: dict[str, str]) -> None:
    try:
        answer = claim_of(header or None, parameters).client_id
    except OAuthError as error:
        answer = error.code

    assert answer


@given(noise=st.binary(max_size=60))
def test_noise_in_basic_is_refused_as_any_wrong_secret(noise: bytes) -> None:
    with pytest.raises(InvalidClientError):
        claim_of("Basic " + b64encode(noise.replace(b":", b"")).decode(), {})


@given(text=st.text())
def test_an_error_is_told_in_the_characters_of_the_standard(text: str) -> None:
    """RFC 6749 section 5.2: %x20-21 / %x23-5B / %x5D-7E, also in the redirect (4.1.2.1)."""
    for error in (OAuthError("invalid_request", text), AuthorizationError("invalid_request", text)):
        assert all(" " <= each <= "~" and each not in '"\\' for each in error.description)


def test_the_issuer_of_the_kit_is_the_world_s() -> None:
    assert TOKEN_URL.startswith(ISSUER)
