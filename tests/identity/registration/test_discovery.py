"""Discovery tells the truth: what it names answers, and what works is named (OIDC Discovery 3, RFC 8414 section 2)."""

from pathlib import Path
from typing import Any

import pytest

from identity.adapters.key_files import KeyFiles
from identity.domain.clients.metadata import SIGNING
from identity.domain.jose.algorithms import ALGORITHMS
from identity.domain.oauth.authorization import DISPLAYS, PROMPTS
from identity.http import endpoints
from identity.service import IdentityProvider
from identity.service.oauth.metadata import provider_metadata
from identity.store.database import Database
from tests.identity.world import ISSUER, ListRecorder, World, authorization

MTLS = "https://mtls.grid.test"


@pytest.fixture
async def said(world: World) -> dict[str, Any]:
    """The document."""
    found: dict[str, Any] = (await world.get("/.well-known/openid-configuration")).json()
    return found


async def test_one_document_stands_at_both_places(world: World, said: dict[str, Any]) -> None:
    """OIDC Discovery 4, RFC 8414 section 3."""
    oidc = await world.get("/.well-known/openid-configuration")
    oauth = await world.get("/.well-known/oauth-authorization-server")

    assert oidc.headers["content-type"] == "application/json"
    assert said["issuer"] == ISSUER
    assert oauth.json() == said


async def test_every_endpoint_that_is_named_answers(world: World, said: dict[str, Any]) -> None:
    routes = {(each.method, each.path) for each in endpoints(world.provider)}
    named = {name: url.removeprefix(ISSUER) for name, url in said.items() if name.endswith(("_endpoint", "_uri"))}

    for name, path in named.items():
        assert path.startswith("/oauth2/"), name
        method = "GET" if name in {"jwks_uri", "authorization_endpoint", "end_session_endpoint"} else "POST"
        assert (method, path) in routes, name
        answer = await (world.get(path) if method == "GET" else world.post(path, {}))
        assert answer.status_code in {200, 303, 400, 401, 403}, (name, answer.status_code)


async def test_every_endpoint_of_the_protocol_is_named(world: World, said: dict[str, Any]) -> None:
    paths = {each.path for each in endpoints(world.provider)
             if each.path.startswith("/oauth2/") and "{" not in each.path}
    named = {str(url).removeprefix(ISSUER) for url in said.values()}

    assert paths <= named


async def test_every_grant_type_that_is_named_is_there_and_no_other(world: World, said: dict[str, Any]) -> None:
    assert set(said["grant_types_supported"]) == set(world.provider._tokens._grants)


async def test_every_way_of_signing_is_there_and_no_other(world: World, said: dict[str, Any]) -> None:
    """OIDC Discovery 3: RS256 must be among them; FAPI 2.0 5.4: so must one of PS256, ES256, EdDSA."""
    keys = (await world.get("/oauth2/jwks")).json()["keys"]
    published = {key["alg"] for key in keys}

    for name in ("id_token", "userinfo", "introspection"):
        assert set(said[f"{name}_signing_alg_values_supported"]) == set(ALGORITHMS) == published == set(SIGNING)
    assert {"RS256", "PS256", "ES256", "EdDSA"} == published
    assert not any("none" in value for value in said.values() if isinstance(value, list)
                   and value is not said["prompt_values_supported"]
                   and value is not said["token_endpoint_auth_methods_supported"]
                   and value is not said["revocation_endpoint_auth_methods_supported"])
    assert not {"d", "p", "q", "k"} & {name for key in keys for name in key}


async def test_prompts_and_displays_are_those_that_are_read(world: World, said: dict[str, Any]) -> None:
    assert set(said["prompt_values_supported"]) == set(PROMPTS)
    assert set(said["display_values_supported"]) == set(DISPLAYS)
    for mode in said["response_modes_supported"]:
        answer = await world.get("/oauth2/authorize", params=authorization(response_mode=mode, prompt="none"))
        assert "login_required" in (answer.headers.get("location", "") + answer.text), mode
    wrong = await world.get("/oauth2/authorize", params=authorization(response_mode="fragment", prompt="none"))
    assert "invalid_request" in wrong.headers["location"]


async def test_only_code_is_offered_and_only_code_works(world: World, said: dict[str, Any]) -> None:
    assert said["response_types_supported"] == ["code"]
    for wrong in ("token", "id_token", "code id_token", "none"):
        answer = await world.get("/oauth2/authorize", params=authorization(response_type=wrong))
        assert "unsupported_response_type" in answer.headers["location"], wrong


async def test_a_request_by_reference_that_was_not_pushed_is_refused_as_announced(
    world: World, said: dict[str, Any],
) -> None:
    answer = await world.get("/oauth2/authorize", params=authorization(request_uri="https://app.grid.test/request"))

    assert said["request_uri_parameter_supported"] is False
    assert answer.status_code in {303, 400}
    assert "code=" not in answer.headers.get("location", "")


async def test_locales_are_those_of_the_pages(said: dict[str, Any]) -> None:
    assert said["ui_locales_supported"] == ["en", "sq"]


def test_certificates_are_named_where_they_can_be_shown() -> None:
    """RFC 8705 sections 3.3 and 5."""
    without, with_port = provider_metadata(ISSUER), provider_metadata(ISSUER, mtls_url=MTLS)

    assert without["tls_client_certificate_bound_access_tokens"] is False
    assert "mtls_endpoint_aliases" not in without
    assert not any("tls_client_auth" in method for method in without["token_endpoint_auth_methods_supported"])
    assert with_port["tls_client_certificate_bound_access_tokens"] is True
    assert {"tls_client_auth", "self_signed_tls_client_auth"} < set(with_port["token_endpoint_auth_methods_supported"])
    assert with_port["mtls_endpoint_aliases"]["token_endpoint"] == f"{MTLS}/oauth2/token"
    assert set(with_port["mtls_endpoint_aliases"]) < set(with_port)


@pytest.mark.parametrize(("profile", "wanted"), [
    ("Config OP", {
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"], "scopes_supported": ["openid"],
        "grant_types_supported": ["authorization_code"], "claims_supported": ["sub", "name", "email"],
        "request_object_signing_alg_values_supported": ["RS256"]}),
    ("FAPI 2.0", {
        "response_types_supported": ["code"], "dpop_signing_alg_values_supported": ["PS256", "ES256"],
        "id_token_signing_alg_values_supported": ["PS256"], "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "tls_client_auth"],
        "token_endpoint_auth_signing_alg_values_supported": ["PS256", "ES256", "EdDSA"],
        "userinfo_signing_alg_values_supported": ["PS256", "ES256"]}),
])
def test_what_the_conformance_suite_looks_for_is_there(profile: str, wanted: dict[str, list[str]]) -> None:
    """oidcc-discovery-endpoint-verification; fapi2-security-profile-final-discovery-end-point-verification."""
    said = provider_metadata(ISSUER, mtls_url=MTLS)

    for name, values in wanted.items():
        assert set(values) <= set(said[name]), (profile, name)
    assert said["authorization_response_iss_parameter_supported"] is True
    assert said["require_pushed_authorization_requests"] is False
    assert said["pushed_authorization_request_endpoint"].startswith("https://")
    assert said["claims_parameter_supported"] is said["request_parameter_supported"] is True
    assert all(url.startswith("https://") for name, url in said.items() if name.endswith("_endpoint"))


async def test_an_issuer_below_a_path_is_found_at_both_places(world: World, tmp_path: Path) -> None:
    """OIDC Discovery 4.1, RFC 8414 section 3.1."""
    provider = IdentityProvider(Database(world.pool), ListRecorder(), world.clock, issuer=f"{ISSUER}/op",
                                keys=KeyFiles(tmp_path / "other"))
    paths = {each.path for each in endpoints(provider)}
    said = provider.metadata()
    provider.close()

    assert {"/op/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/op",
            "/op/oauth2/register/{client_id}"} <= paths
    assert said["token_endpoint"] == f"{ISSUER}/op/oauth2/token"
