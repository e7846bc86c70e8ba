"""What nobody may register: each refusal with its code, and nothing is registered."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from identity.domain.clients.errors import ClientMetadataError
from identity.domain.clients.metadata import SECRET_METHODS
from identity.domain.clients.registration import Limits, client_of
from identity.domain.clients.remote_uris import refusal_of
from identity.domain.clients.rules import check
from identity.domain.records import Client
from tests.identity.registration.test_dynamic_registration import invited, manage, public_key, register
from tests.identity.world import CALLBACK, World

PRIVATE = {"kty": "EC", "crv": "P-256", "x": "a", "y": "b", "d": "c"}
SECRET = {"kty": "oct", "k": "c2VjcmV0"}
SHORT = {"kty": "RSA", "n": "a" * 170, "e": "AQAB"}
METADATA, REDIRECT = "invalid_client_metadata", "invalid_redirect_uri"
BLANK = Client("client-1", "client-1", None, first_party=False, redirect_uris=(), post_logout_redirect_uris=(),
               grant_types=frozenset(), scopes=frozenset(), roles=frozenset(), created_at_us=0)


def code_of(**document: Any) -> str | None:
    """Return the code of the refusal of a registration, None when it would stand."""
    try:
        client = client_of({"redirect_uris": [CALLBACK], **document}, Limits(), BLANK)
        has_secret = client.settings.auth_method in SECRET_METHODS
        check(replace(client, secret_hash=bytes(32) if has_secret else None))
    except ClientMetadataError as error:
        return error.code
    return None


@pytest.mark.parametrize(("document", "code"), [
    ({"redirect_uris": ["https://app.grid.test/cb#f"]}, REDIRECT),
    ({"redirect_uris": ["https://*.grid.test/cb"]}, REDIRECT),
    ({"redirect_uris": ["http://app.grid.test/cb"]}, REDIRECT),
    ({"redirect_uris": ["https://user@app.grid.test/cb"]}, REDIRECT),
    ({"redirect_uris": ["javascript:alert(1)"]}, REDIRECT),
    ({"redirect_uris": ["com.example.app:/cb"]}, REDIRECT),
    ({"redirect_uris": ["/cb"]}, REDIRECT),
    ({"redirect_uris": CALLBACK}, REDIRECT),
    ({"redirect_uris": [7]}, REDIRECT),
    ({"redirect_uris": []}, METADATA),
    ({"redirect_uris": [f"https://app.grid.test/{number}" for number in range(51)]}, REDIRECT),
])
def test_a_redirect_uri_that_could_lead_elsewhere(document: dict[str, Any], code: str) -> None:
    """RFC 7591 section 2, RFC 8252 section 7, RFC 9700 section 2.1."""
    assert code_of(**document) == code


async def test_a_refusal_over_the_wire(world: World) -> None:
    """RFC 7591 section 3.2.2."""
    answer = await register(world, await invited(world), redirect_uris=[f"{CALLBACK}#f"])
    registered = [client.id for client in await world.provider.clients.listed("", 100)]

    assert (answer.status_code, answer.json()["error"]) == (400, REDIRECT)
    assert answer.headers["content-type"] == "application/json"
    assert not any(name.startswith("client-") for name in registered)


def test_a_private_scheme_is_for_native_clients() -> None:
    """RFC 8252 section 7.1."""
    native = {"application_type": "native", "token_endpoint_auth_method": "none"}

    assert code_of(redirect_uris=["com.example.app:/cb"], **native) is None


@pytest.mark.parametrize("document", [
    {"jwks": {"keys": [PRIVATE]}}, {"jwks": {"keys": [SECRET]}}, {"jwks": {"keys": [SHORT]}},
    {"jwks": {"keys": []}}, {"jwks": {"keys": [{"kty": "EC", "crv": "secp256k1", "x": "a", "y": "b"}]}},
    {"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b", "kid": "1"}] * 2}},
    {"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b"}] * 21}},
    {"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "a" * 5_000, "y": "b"}]}},
    {"jwks": []}, {"jwks": "https://app.grid.test/jwks"},
])
def test_keys_that_are_private_weak_or_too_many(document: dict[str, Any]) -> None:
    """RFC 7517 section 9.2, RFC 7518 section 3.3."""
    assert code_of(token_endpoint_auth_method="private_key_jwt", **document) == METADATA


@pytest.mark.parametrize("document", [
    {"jwks": {"keys": [public_key()]}, "jwks_uri": "https://app.grid.test/jwks"},
    {"token_endpoint_auth_method": "private_key_jwt"},
    {"token_endpoint_auth_method": "self_signed_tls_client_auth"},
    {"token_endpoint_auth_method": "tls_client_auth"},
    {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "a", "tls_client_auth_san_uri": "b"},
    {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_ip": "256.1.1.1"},
    {"token_endpoint_auth_method": "client_secret_jwt"},
    {"token_endpoint_auth_signing_alg": "ES256"},
    {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [public_key()]},
     "token_endpoint_auth_signing_alg": "HS256"},
    {"id_token_signed_response_alg": "none"}, {"id_token_signed_response_alg": "HS256"},
    {"userinfo_signed_response_alg": "none"}, {"request_object_signing_alg": "none"},
    {"id_token_encrypted_response_alg": "RSA-OAEP"}, {"userinfo_encrypted_response_enc": "A128GCM"},
    {"response_types": ["token"]}, {"response_types": ["code", "id_token"]},
    {"grant_types": ["implicit"]}, {"grant_types": ["password"]}, {"grant_types": ["client_credentials"]},
    {"grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"]},
    {"subject_type": "pairwise"}, {"sector_identifier_uri": "https://app.grid.test/sector"},
    {"software_statement": "e30.e30."}, {"profile": "fapi3"},
    {"require_signed_request_object": True},
])
def test_what_does_not_fit_together(document: dict[str, Any]) -> None:
    """RFC 7591 section 2, RFC 8705 section 2.1.2, OIDC Registration section 2, RFC 9700 section 2.1.2."""
    assert code_of(**document) == ("unapproved_software_statement" if "software_statement" in document else METADATA)


@pytest.mark.parametrize("document", [
    {"client_name": 7}, {"client_name": ""}, {"client_name": "a\nb"}, {"client_name": "a" * 101}, {"scope": ["openid"]},
    {"default_max_age": "600"}, {"default_max_age": -1}, {"default_max_age": True},
    {"require_auth_time": "true"}, {"contacts": "ada@grid.test"}, {"contacts": ["a"] * 51}, {"logo_uri": 1},
    {"grant_types": "authorization_code"}, {"dpop_bound_access_tokens": 1}, {"application_type": "tv"},
    {"default_acr_values": [None]}, {"client_uri": "javascript:alert(1)"}, {"tos_uri": "data:text/html,x"},
    {"policy_uri#sq": "ftp://x.test/"},
])
def test_values_of_the_wrong_kind(document: dict[str, Any]) -> None:
    """RFC 7591 section 3.2.2."""
    assert code_of(**document) == METADATA


@pytest.mark.parametrize("document", [
    {"token_endpoint_auth_method": "client_secret_basic"}, {"token_endpoint_auth_method": "none"},
    {"id_token_signed_response_alg": "RS256"}, {"require_pushed_authorization_requests": False},
    {"token_endpoint_auth_signing_alg": "RS256"}, {"userinfo_signed_response_alg": "RS256"},
    {"request_object_signing_alg": "RS256"}, {"introspection_signed_response_alg": "RS256"},
    {"redirect_uris": ["http://localhost.evil.test/cb"]},
])
def test_a_fapi2_client_that_is_less_than_fapi2(document: dict[str, Any]) -> None:
    """FAPI 2.0 Security Profile 5.3.2.1, 5.3.2.2, 5.4."""
    whole = {"profile": "fapi2", "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [public_key()]}}

    assert code_of(**whole) is None
    assert code_of(**(whole | document)) is not None


@pytest.mark.parametrize("name", ["jwks_uri", "backchannel_logout_uri", "logo_uri", "request_uris"])
@pytest.mark.parametrize("uri", [
    "https://127.0.0.1/x", "https://localhost/x", "https://10.0.0.1/x", "https://192.168.1.1/x",
    "https://169.254.169.254/latest/meta-data", "https://[::1]/x", "https://[fd00::1]/x", "https://0.0.0.0/x",
    "https://224.0.0.1/x", "https://[::ffff:127.0.0.1]/x", "https://2130706433/x", "https://0x7f.1/x",
    "https://metadata.google.internal/x", "https://intranet/x", "http://app.grid.test/x", "file:///etc/passwd",
    "gopher://app.grid.test/x", "https://user:pw@app.grid.test/x", "https://app.grid.test\\@10.0.0.1/x",
])
def test_a_uri_that_leads_inside(name: str, uri: str) -> None:
    """SSRF: RFC 7591 section 5, OIDC Registration section 9.1."""
    assert code_of(**{name: [uri] if name == "request_uris" else uri}) == METADATA


def test_a_network_that_is_allowed_opens_that_network_only() -> None:
    allowed = (ip_network("10.1.0.0/16"),)

    assert refusal_of("https://10.1.2.3/x", allowed) is None
    assert refusal_of("http://10.1.2.3/x", allowed) is None
    assert refusal_of("https://10.2.2.3/x", allowed) is not None
    assert refusal_of("http://app.grid.test/x", allowed) is not None
    assert refusal_of("https://suite:8443/jwks", allowed) is None


async def test_a_body_that_is_no_registration(world: World) -> None:
    """RFC 7591 section 3.1."""
    headers = {"Authorization": f"Bearer {await invited(world)}", "Content-Type": "application/json"}
    async with world.browser() as client:
        for body in (b"", b"[]", b"{", b'{"a":1,"a":2}', b"\xff", b'{"a":NaN}', b"[" * 100, b'"x"'):
            answer = await client.post("/oauth2/register", content=body, headers=headers)
            assert (answer.status_code, answer.json()["error"]) == (400, METADATA), body


async def test_a_form_is_no_registration(world: World) -> None:
    """RFC 7591 section 3.1."""
    answer = await world.post("/oauth2/register", {"client_name": "x"})

    assert answer.status_code == 400


async def test_registration_without_an_invitation(world: World) -> None:
    """RFC 7591 section 3, RFC 6750 section 3."""
    wrong = "0" * 32 + "." + "A" * 43
    async with world.browser() as client:
        for authorization in ("", "Bearer", "Bearer x", "Basic eDp5", f"Bearer gw_initial_{wrong}",
                              f"Bearer gw_registration_{wrong}"):
            answer = await client.post("/oauth2/register", json={"redirect_uris": [CALLBACK]},
                                       headers={"Authorization": authorization})
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_the_token_of_another_client_opens_nothing(world: World) -> None:
    """RFC 7592 section 2.1: unknown client and wrong token are told apart by nobody."""
    one, other = [(await register(world, await invited(world))).json() for _ in range(2)]
    unknown = other | {"registration_client_uri": "/oauth2/register/nobody"}

    answers = [await manage(world, method, client, {}, token=one["registration_access_token"])
               for method in ("GET", "PUT", "DELETE") for client in (other, unknown)]
    invitation = await invited(world)

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert (await manage(world, "GET", one, token=invitation)).status_code == 401
    assert (await manage(world, "GET", other)).status_code == 200


EXTRAS: list[dict[str, Any]] = [
    {"client_id": "another"}, {"client_secret": "x" * 40}, {"registration_access_token": "x"},
    {"registration_client_uri": "x"}, {"client_secret_expires_at": 0}, {"client_id_issued_at": 1},
    {"client_id": None},
]


async def test_a_change_that_says_what_only_we_say(world: World) -> None:
    """RFC 7592 section 2.2."""
    client = (await register(world, await invited(world))).json()

    for extra in EXTRAS:
        answer = await manage(world, "PUT", client, {
            "client_id": client["client_id"], "redirect_uris": [CALLBACK], **extra})
        assert (answer.status_code, answer.json()["error"]) == (400, METADATA), extra

    assert (await manage(world, "GET", client)).status_code == 200


async def test_a_change_widens_nothing(world: World) -> None:
    client = (await register(world, await invited(world))).json()
    body = {"client_id": client["client_id"], "redirect_uris": [CALLBACK]}

    wider = await manage(world, "PUT", client, body | {
        "scope": "openid api", "roles": ["admin"], "require_pkce": False})
    grants = await manage(world, "PUT", client | {
        "registration_access_token": wider.json()["registration_access_token"]},
        body | {"grant_types": ["client_credentials"]})

    assert wider.json()["scope"] == "openid"
    assert wider.json()["require_pkce"] is True
    assert grants.status_code == 400
