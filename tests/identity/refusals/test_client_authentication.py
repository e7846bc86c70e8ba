"""Refusals: clients that are not who they say, or prove it in a way that is not theirs."""

import json
from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from identity.domain.oauth.errors import InvalidClientError, OAuthError
from shared_kernel.errors import UnavailableError
from tests.identity.client_desk import ClientDesk
from tests.identity.client_kit import ASSERTION_TYPE, TOKEN_URL, ClientKey, Holder, b64, client_ca
from tests.identity.world import ISSUER

SECRET = "gw_secret_" + "0" * 32 + "." + "A" * 43


def basic(client_id: str, secret: str) -> str:
    return "Basic " + b64encode(f"{client_id}:{secret}".encode()).decode()


async def refused(asking: Awaitable[object]) -> OAuthError:
    """Return the refusal."""
    with pytest.raises(OAuthError) as caught:
        await asking
    return caught.value


async def test_two_methods_in_one_request_are_refused(desk: ClientDesk) -> None:
    """RFC 6749 section 2.3: the client must not use more than one."""
    await desk.register("c1", secret=SECRET)
    header = basic("c1", SECRET)
    for fields in ({"client_secret": SECRET}, {"client_secret": SECRET, "client_id": "c1"},
                   {"client_assertion": "x", "client_assertion_type": ASSERTION_TYPE},
                   {"client_assertion_type": ASSERTION_TYPE}):
        error = await refused(desk.authenticate(fields, authorization=header))
        assert error.code in {"invalid_request", "invalid_client"}


async def test_a_secret_and_an_assertion_are_two_methods(desk: ClientDesk) -> None:
    """RFC 6749 section 2.3."""
    holder = await desk.holder()
    error = await refused(desk.authenticate(holder.asserted(client_id="c1", client_secret=SECRET)))
    assert error.code == "invalid_request"


async def test_another_client_id_than_the_header_s_is_refused(desk: ClientDesk) -> None:
    """RFC 6749 section 2.3.1: one client a request."""
    await desk.register("c1", secret=SECRET)
    await desk.register("c2")
    error = await refused(desk.authenticate({"client_id": "c2"}, authorization=basic("c1", SECRET)))
    assert error.code == "invalid_request"


async def test_another_client_id_than_the_assertion_s_is_refused(desk: ClientDesk) -> None:
    """RFC 7521 section 4.2: client_id is optional and must identify the same client."""
    holder = await desk.holder()
    await desk.holder("c2")
    error = await refused(desk.authenticate(holder.asserted(client_id="c2")))
    assert error.code == "invalid_request"


@pytest.mark.parametrize("registered", ["client_secret_basic", "client_secret_post"])
async def test_a_secret_sent_the_other_way_is_refused(desk: ClientDesk, registered: str) -> None:
    """RFC 7591 section 2: a client uses the method it is registered for."""
    await desk.register("c1", secret=SECRET, auth_method=registered)
    by_header = desk.authenticate({}, authorization=basic("c1", SECRET))
    by_body = desk.authenticate({"client_id": "c1", "client_secret": SECRET})
    right, wrong = (by_header, by_body) if registered == "client_secret_basic" else (by_body, by_header)
    assert (await right).id == "c1"
    assert (await refused(wrong)).code == "invalid_client"


async def test_a_client_with_a_key_is_not_let_in_by_its_name(desk: ClientDesk) -> None:
    """RFC 6749 section 3.2.1: confidential clients must authenticate."""
    await desk.holder()
    await desk.register("c2", secret=SECRET)
    for client_id in ("c1", "c2"):
        assert (await refused(desk.authenticate({"client_id": client_id}))).code == "invalid_client"


async def test_a_secret_for_a_public_client_is_refused(desk: ClientDesk) -> None:
    """RFC 6749 section 2.3: it is registered for none."""
    await desk.register("c1")
    error = await refused(desk.authenticate({"client_id": "c1", "client_secret": "guess"}))
    assert error.code == "invalid_client"


async def test_a_public_client_is_refused_where_callers_must_be_confidential(desk: ClientDesk) -> None:
    """RFC 7662 section 2.1."""
    await desk.register("c1")
    assert (await refused(desk.authenticate({"client_id": "c1"}, confidential=True))).code == "invalid_client"


async def test_the_empty_secret_opens_nothing(desk: ClientDesk) -> None:
    """RFC 6749 section 2.3.1: an omitted secret is only for clients whose secret is empty, and none has that."""
    await desk.register("c1", secret=SECRET)
    await desk.holder("c2")
    for client_id in ("c1", "c2"):
        for authorization in (basic(client_id, ""), f"Basic {b64encode(client_id.encode()).decode()}"):
            assert (await refused(desk.authenticate({}, authorization=authorization))).code == "invalid_client"
    assert (await refused(desk.authenticate({"client_id": "c2", "client_secret": ""}))).code == "invalid_client"


async def test_unknown_client_and_wrong_secret_are_told_apart_by_nobody(desk: ClientDesk) -> None:
    """RFC 6749 section 5.2; OWASP: one answer, whether the client is looked up or remembered."""
    await desk.register("c1", secret=SECRET)
    told = set()
    for client_id in ("c1", "nobody", "c1", "nobody"):
        error = await refused(desk.authenticate({"client_id": client_id, "client_secret": "wrong"}))
        told.add((error.code, error.description, error.status))

    assert len(told) == 1


@pytest.mark.parametrize("header", [
    "Bearer x", "Basic", "Basic ", "Basic !!!!", "Basic Og==", "Basic YzE=", "DPoP x", "Digest c1", "basic c1:x",
    "Basic /////w==", "Basic JWZmOng=", "\u00e9"])
async def test_a_header_that_is_no_basic_credential_is_refused(desk: ClientDesk, header: str) -> None:
    """RFC 7617 section 2; RFC 6749 section 2.3.1 (`%ff` is not UTF-8)."""
    await desk.register("c1", secret=SECRET)
    assert (await refused(desk.authenticate({"client_id": "c1"}, authorization=header))).code == "invalid_client"


@pytest.mark.parametrize("fields", [
    {"client_assertion": "a.b.c"},
    {"client_assertion_type": ASSERTION_TYPE},
    {"client_assertion": "a.b.c", "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
    {"client_assertion": "a.b.c", "client_assertion_type": ASSERTION_TYPE + " "},
])
async def test_an_assertion_of_another_type_is_refused(desk: ClientDesk, fields: dict[str, str]) -> None:
    """RFC 7521 section 4.2: client_assertion_type names the one kind we take."""
    assert (await refused(desk.authenticate(fields))).code == "invalid_request"


WRONG_CLAIMS: dict[str, Callable[[int], dict[str, Any]]] = {
    "aud of another server": lambda _: {"aud": "https://other.test"},
    "aud as a list": lambda _: {"aud": [ISSUER]},
    "aud as a list of two": lambda _: {"aud": [ISSUER, TOKEN_URL]},
    "aud with a slash": lambda _: {"aud": f"{ISSUER}/"},
    "aud of the PAR endpoint": lambda _: {"aud": f"{ISSUER}/oauth2/par"},
    "no aud": lambda _: {"aud": None},
    "aud as an object": lambda _: {"aud": {"iss": ISSUER}},
    "iss of another client": lambda _: {"iss": "c2"},
    "sub of another client": lambda _: {"sub": "c2"},
    "no iss": lambda _: {"iss": None},
    "no sub": lambda _: {"sub": None},
    "sub as a list": lambda _: {"sub": ["c1"]},
    "no exp": lambda _: {"exp": None},
    "exp now": lambda now: {"exp": now},
    "exp five minutes ago": lambda now: {"exp": now - 300},
    "exp as a text": lambda now: {"exp": str(now + 60)},
    "exp as a boolean": lambda _: {"exp": True},
    "exp beyond all dates": lambda _: {"exp": 1 << 60},
    "exp in two hours": lambda now: {"exp": now + 7_200},
    "nbf over a minute ahead": lambda now: {"nbf": now + 61},
    "iat over a minute ahead": lambda now: {"iat": now + 61},
    "iat as a text": lambda now: {"iat": str(now)},
    "nbf as a boolean": lambda _: {"nbf": True},
    "no jti": lambda _: {"jti": None},
    "jti as a number": lambda _: {"jti": 7},
    "empty jti": lambda _: {"jti": ""},
    "endless jti": lambda _: {"jti": "x" * 513},
}


@pytest.mark.parametrize("profile", ["baseline", "fapi2"])
@pytest.mark.parametrize("case", WRONG_CLAIMS)
async def test_an_assertion_with_a_wrong_claim_is_refused(desk: ClientDesk, case: str, profile: str) -> None:
    """RFC 7523 section 3, FAPI 2.0 Security Profile 5.3.2.1, OpenID Connect Core 9 (jti)."""
    holder = await desk.holder(profile=profile)
    assertion = holder.assertion(**WRONG_CLAIMS[case](holder.now_s))
    assert (await refused(desk.authenticate(holder.asserted(assertion, client_id="c1")))).code in {
        "invalid_client", "invalid_request"}


async def test_the_token_endpoint_is_no_audience_for_fapi2_clients(desk: ClientDesk) -> None:
    """FAPI 2.0 Security Profile 5.3.2.1 (fapi2-...-par-token-endpoint-as-audience-fails)."""
    holder = await desk.holder()
    assert (await refused(desk.authenticate(holder.asserted(holder.assertion(aud=TOKEN_URL))))).code == "invalid_client"


async def test_an_assertion_is_taken_once(desk: ClientDesk) -> None:
    """RFC 7523 section 3, item 7; RFC 7521 section 8.2."""
    holder = await desk.holder()
    asserted = holder.asserted()
    await desk.authenticate(asserted)
    assert (await refused(desk.authenticate(asserted))).code == "invalid_client"


async def test_a_jti_is_used_up_for_its_client_only(desk: ClientDesk) -> None:
    """RFC 7519 section 4.1.7: a jti is unique among one issuer's; nobody uses up another's."""
    first, second = await desk.holder("c1"), await desk.holder("c2")
    await desk.authenticate(first.asserted(first.assertion(jti="same")))
    assert (await desk.authenticate(second.asserted(second.assertion(jti="same")))).id == "c2"


async def test_a_jti_of_odd_unicode_is_taken_once_and_breaks_nothing(desk: ClientDesk) -> None:
    """RFC 8259 section 8.2: a lone surrogate is unpredictable; it is a refusal, never a fault."""
    holder = await desk.holder()
    for jti in ("\u2028", "\U0001f511", "e\u0301"):
        asserted = holder.asserted(holder.assertion(jti=jti))
        await desk.authenticate(asserted)
        assert (await refused(desk.authenticate(asserted))).code == "invalid_client"
    lone = holder.asserted(holder.assertion(jti="\ud800"))
    assert (await refused(desk.authenticate(lone))).code == "invalid_client"


async def test_a_client_s_other_algorithms_are_refused(desk: ClientDesk) -> None:
    """RFC 8725 section 3.1; RFC 7591: token_endpoint_auth_signing_alg."""
    signer = Holder("c1", desk.clock, ClientKey.new("EdDSA"))
    await desk.register("c1", auth_method="private_key_jwt", jwks=signer.jwks, auth_signing_alg="ES256")
    assert (await refused(desk.authenticate(signer.asserted()))).code == "invalid_client"


async def test_rs256_is_refused_for_fapi2_clients(desk: ClientDesk) -> None:
    """FAPI 2.0 Security Profile 5.4.1 (fapi2-...-ensure-signed-client-assertion-with-rs256-fails)."""
    signer = Holder("c1", desk.clock, ClientKey.new("RS256"))
    await desk.register("c1", auth_method="private_key_jwt", profile="fapi2", jwks=signer.jwks)
    assert (await refused(desk.authenticate(signer.asserted()))).code == "invalid_client"


@pytest.mark.parametrize("settings", [
    {}, {"secret": SECRET}, {"secret": SECRET, "auth_method": "client_secret_post"}, {"auth_method": "none"}])
async def test_a_fapi2_client_never_proves_itself_by_a_secret_or_a_name(
        desk: ClientDesk, settings: dict[str, Any]) -> None:
    """FAPI 2.0 Security Profile 5.3.2.1: mutual TLS or private_key_jwt."""
    await desk.register("c1", profile="fapi2", **settings)
    for fields in ({"client_id": "c1"}, {"client_id": "c1", "client_secret": SECRET}):
        assert (await refused(desk.authenticate(fields))).code == "invalid_client"


async def test_an_unsigned_assertion_is_refused(desk: ClientDesk) -> None:
    """RFC 8725 section 3.2."""
    holder = await desk.holder()
    claims = {"iss": "c1", "sub": "c1", "aud": ISSUER, "jti": "1", "exp": holder.now_s + 60}
    for algorithm in ("none", "None", "NONE", "HS256"):
        parts = [b64(json.dumps(part).encode()) for part in ({"alg": algorithm}, claims)]
        for signature in ("", "AA"):
            asserted = holder.asserted(".".join([*parts, signature]))
            assert (await refused(desk.authenticate(asserted))).code == "invalid_client"


async def test_an_assertion_under_another_client_s_key_is_refused(desk: ClientDesk) -> None:
    """RFC 7523 section 3, item 9: also when it names a kid of its client's."""
    holder = await desk.holder()
    thief = Holder("c1", desk.clock, ClientKey(ClientKey.new().private, "ES256", holder.key.kid))
    assert (await refused(desk.authenticate(thief.asserted()))).code == "invalid_client"


@pytest.mark.parametrize("header", [
    {"jwk": ClientKey.new().bare}, {"jku": "https://evil.test/jwks"}, {"x5u": "https://evil.test/c"}, {"x5c": ["x"]},
    {"crit": ["exp"]}, {"kid": "unknown"}, {"kid": 7}, {"kid": "../../etc/passwd"}, {"typ": "dpop+jwt"},
    {"typ": "at+jwt"}, {"typ": 1}, {"alg": "ES256 "}, {"alg": None}])
async def test_an_assertion_with_a_key_or_an_unfit_header_is_refused(desk: ClientDesk, header: dict[str, Any]) -> None:
    """RFC 8725 sections 3.1, 3.10, 3.11; RFC 7515 section 4.1.11."""
    holder = await desk.holder()
    assertion = holder.assertion(header=header)
    assert (await refused(desk.authenticate(holder.asserted(assertion)))).code == "invalid_client"


async def test_two_keys_of_one_kid_verify_nothing(desk: ClientDesk) -> None:
    """RFC 7517 section 4.5: which key is meant must be clear."""
    holder = await desk.holder()
    other = ClientKey(ClientKey.new().private, "ES256", holder.key.kid)
    await desk.register("c1", auth_method="private_key_jwt", jwks={"keys": [other.jwk, holder.key.jwk]})
    assert (await refused(desk.authenticate(holder.asserted()))).code == "invalid_client"


async def test_a_client_without_keys_asserts_nothing(desk: ClientDesk) -> None:
    """RFC 7523 section 3, item 9."""
    holder = await desk.holder(jwks=None)
    assert (await refused(desk.authenticate(holder.asserted()))).code == "invalid_client"


async def test_an_assertion_of_a_megabyte_is_refused_unread(desk: ClientDesk) -> None:
    """RFC 8725 section 3.10: what is not verified costs nothing."""
    holder = await desk.holder()
    asserted = holder.asserted(holder.assertion(pad="x" * 1_000_000))
    assert (await refused(desk.authenticate(asserted))).code == "invalid_client"


async def test_a_refused_assertion_is_not_used_up(desk: ClientDesk) -> None:
    """RFC 7523 section 3: a stranger who saw a jti cannot use it up with a signature of his own."""
    holder = await desk.holder()
    thief = Holder("c1", desk.clock)
    await refused(desk.authenticate(holder.asserted(thief.assertion(jti="seen"))))
    assert (await desk.authenticate(holder.asserted(holder.assertion(jti="seen")))).id == "c1"


async def test_a_registered_client_is_refused_by_certificate_when_it_has_a_secret(desk: ClientDesk) -> None:
    """RFC 8705 section 2: mutual TLS is a method of its own."""
    await desk.register("c1", secret=SECRET)
    certificate = client_ca().issue(at=desk.clock)
    with pytest.raises(InvalidClientError):
        await desk.authenticate({"client_id": "c1"}, certificate=certificate.der)


async def test_without_the_database_no_assertion_passes(desk: ClientDesk, app_pool: asyncpg.Pool) -> None:
    """RFC 7523 section 3: what cannot be seen to be the first use is none."""
    holder = await desk.holder()
    await desk.authenticate(holder.asserted())
    await app_pool.close()
    with pytest.raises(UnavailableError):
        await desk.authenticate(holder.asserted())
