"""Client authentication, machine tokens, introspection, revocation and discovery."""

import json
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlencode

import pytest

from identity.domain.oauth.client_authentication import claim_of
from shared_kernel.credentials import Credentials
from tests.identity.tokens.kit import FORM, WEB_SECRET, basic
from tests.identity.world import CALLBACK, ISSUER, VERIFIER, World


def test_basic_credentials_are_read_as_rfc_6749_wrote_them(shared_vectors: Path) -> None:
    """RFC 6749 section 2.3.1."""
    case = json.loads((shared_vectors / "jose/rfc/rfc6749_basic.json").read_text())

    claim = claim_of(case["authorization"], {})

    assert (claim.client_id, claim.secret) == (case["client_id"], case["client_secret"])


async def machine_token(world: World, **changes: str) -> str:
    answer = await world.post("/oauth2/token", {"grant_type": "client_credentials"} | changes,
                              headers=basic("machine", world.secret))
    return str(answer.json()["access_token"])


async def test_a_machine_gets_a_token_for_itself_and_no_refresh_token(world: World) -> None:
    """RFC 6749 section 4.4.3."""
    answer = await world.post("/oauth2/token", {"grant_type": "client_credentials", "scope": "read"},
                              headers=basic("machine", world.secret))

    assert answer.status_code == 200
    assert answer.json().keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert answer.headers["cache-control"] == "no-store"
    principal = await world.provider.authenticate(Credentials(f"Bearer {answer.json()['access_token']}"))
    assert (principal.subject, str(principal.kind), set(principal.roles)) == ("machine", "service", {"service"})


async def test_a_secret_with_special_characters_works_form_urlencoded(world: World) -> None:
    """RFC 6749 section 2.3.1: both halves of Basic are form-urlencoded."""
    code = await world.code(client_id="web")
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}

    answer = await world.post("/oauth2/token", fields, headers=basic("web", WEB_SECRET))

    assert answer.status_code == 200


async def test_a_secret_in_the_body_works(world: World) -> None:
    """RFC 6749 section 2.3.1: client_secret_post."""
    answer = await world.post("/oauth2/token", {"grant_type": "client_credentials", "client_id": "machine",
                                                "client_secret": world.secret})

    assert answer.status_code == 200


async def test_unknown_client_and_wrong_secret_are_not_told_apart(world: World) -> None:
    """RFC 6749 section 5.2."""
    grant = {"grant_type": "client_credentials"}
    unknown = await world.post("/oauth2/token", grant, headers=basic("nobody", "x"))
    wrong = await world.post("/oauth2/token", grant, headers=basic("machine", "x"))
    secretless = await world.post("/oauth2/token", grant | {"client_id": "machine"})

    assert unknown.status_code == wrong.status_code == secretless.status_code == 401
    assert unknown.content == wrong.content == secretless.content
    assert unknown.headers["www-authenticate"].startswith("Basic")
    assert [event["event"]["reason"] for event in world.recorder.of("token_refused")] == ["invalid_client"] * 3


@pytest.mark.parametrize("authorization", [
    "Basic", "Basic !!!", "Basic " + b64encode(b"no colon").decode(), "Basic " + b64encode(b"a:%ff").decode(),
    "Basic " + b64encode(b"\xff:\xff").decode(), "Basic " + b64encode(b"machine:").decode(),
    "Basic " + b64encode(b"a%00b:x").decode(),
])
async def test_malformed_basic_credentials_are_refused(world: World, authorization: str) -> None:
    """RFC 6749 section 5.2."""
    answer = await world.post("/oauth2/token", {"grant_type": "client_credentials"},
                              headers={"Authorization": authorization})

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_a_public_client_with_a_secret_is_refused(world: World) -> None:
    """RFC 6749 section 2.3."""
    answer = await world.redeem(await world.code(), client_secret="guess")

    assert answer.json()["error"] == "invalid_client"


async def test_a_secret_in_the_query_is_refused(world: World) -> None:
    """RFC 6749 section 2.3.1: parameters MUST NOT be in the URI."""
    query = urlencode({"grant_type": "client_credentials", "client_id": "machine", "client_secret": world.secret})

    answer = await world.post(f"/oauth2/token?{query}", {"grant_type": "client_credentials"})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(("fields", "error"), [
    ({"grant_type": "password", "username": "alice", "password": "x"}, "unsupported_grant_type"),
    ({"grant_type": "implicit"}, "unsupported_grant_type"),
    ({"grant_type": ""}, "invalid_request"),
    ({"grant_type": "authorization_code", "code": "x"}, "unauthorized_client"),
    ({"grant_type": "client_credentials", "scope": "admin"}, "invalid_scope"),
    ({"grant_type": "client_credentials", "scope": "openid"}, "invalid_scope"),
    ({"grant_type": "client_credentials", "scope": "\x00"}, "invalid_request"),
])
async def test_a_wrong_grant_is_refused(world: World, fields: dict[str, str], error: str) -> None:
    """RFC 6749 section 5.2, RFC 9700 section 2.4 (no password grant)."""
    answer = await world.post("/oauth2/token", fields, headers=basic("machine", world.secret))

    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_a_public_client_gets_no_token_for_itself(world: World) -> None:
    """RFC 6749 section 4.4: confidential clients only."""
    answer = await world.post("/oauth2/token", {"grant_type": "client_credentials", "client_id": "app"})

    assert answer.json()["error"] == "unauthorized_client"


@pytest.mark.parametrize(("body", "headers"), [
    (b"grant_type=client_credentials&grant_type=client_credentials", FORM),
    (b'{"grant_type":"client_credentials"}', {"Content-Type": "application/json"}),
    (b"grant_type=%ff", FORM),
    (b"\xff\xfe", FORM),
    (b"&".join(b"a%d=1" % n for n in range(100)), FORM),
])
async def test_a_broken_body_is_refused(world: World, body: bytes, headers: dict[str, str]) -> None:
    """RFC 6749 section 3.2: parameters at most once; appendix B: one encoding."""
    async with world.browser() as client:
        answer = await client.post("/oauth2/token", content=body, headers=headers | basic("machine", world.secret))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_userinfo_wants_a_person_and_openid(world: World) -> None:
    """OIDC Core section 5.3.1, RFC 6750 section 3.1."""
    plain = (await world.tokens(scope="profile"))["access_token"]

    refused = await world.userinfo(plain)
    anonymous = await world.get("/oauth2/userinfo")
    machine = await world.userinfo(await machine_token(world))

    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
    assert anonymous.status_code == machine.status_code == 401


@pytest.mark.parametrize("kind", ["id_token", "refresh_token"])
async def test_another_token_is_no_access_token(world: World, kind: str) -> None:
    """RFC 9068 section 4, RFC 8725 section 3.11."""
    tokens = await world.tokens()

    assert (await world.userinfo(tokens[kind])).status_code == 401


async def test_discovery_announces_what_is_there(world: World) -> None:
    """OIDC Discovery section 4.2, RFC 8414 section 3.3."""
    answer = await world.get("/.well-known/openid-configuration")
    same = await world.get("/.well-known/oauth-authorization-server")
    keys = await world.get("/oauth2/jwks")

    document = answer.json()
    assert answer.content == same.content
    assert document["issuer"] == ISSUER
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert all(value.startswith(ISSUER) for name, value in document.items() if name.endswith(("endpoint", "_uri")))
    assert not any({"d", "p", "q", "k"} & set(key) for key in keys.json()["keys"])


async def test_no_event_holds_a_secret(world: World) -> None:
    """Our invariant: the ledger names tokens by id only."""
    tokens = await world.tokens()
    await machine_token(world)
    await world.redeem("gw_code_" + "0" * 32 + "." + "A" * 43)

    text = json.dumps(world.recorder.events)

    assert not any(secret in text for secret in (*tokens.values(), world.secret, "gw_") if isinstance(secret, str)
                   and secret not in {"Bearer", tokens["scope"]})
