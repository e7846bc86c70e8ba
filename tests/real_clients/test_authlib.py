"""Authlib's client from code to revocation, PyJWT as the verifier of every token, on the running product."""

import secrets
from typing import Any

import httpx2 as httpx
import jwt
import pytest
from authlib.common.security import generate_token
from authlib.integrations.httpx_client import AsyncOAuth2Client

from control_plane.tls.contexts import trusting
from tests.real_clients.conftest import SOMEBODY, Served, registered
from tests.real_clients.walk import Walker

CALLBACK = "https://app.example/callback"
pytestmark = pytest.mark.slow
ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA")


async def metadata_and_keys(served: Served) -> tuple[dict[str, Any], jwt.PyJWKSet]:
    """Return discovery and the published keys, as a stranger reads them."""
    async with httpx.AsyncClient(verify=trusting(served.pair.certificate)) as http:
        metadata = (await http.get(f"{served.issuer}/.well-known/openid-configuration")).json()
        return metadata, jwt.PyJWKSet.from_dict((await http.get(metadata["jwks_uri"])).json())


def verified(token: str, keys: jwt.PyJWKSet, **expected: Any) -> dict[str, Any]:
    """Return the claims if PyJWT believes the token."""
    header = jwt.get_unverified_header(token)
    return dict(jwt.decode(token, keys[header["kid"]].key, algorithms=[header["alg"]], **expected))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_authlib_walks_the_code_flow_and_pyjwt_believes_the_tokens(served: Served, algorithm: str) -> None:
    client = await registered(served, redirect_uris=[CALLBACK], scope="openid profile email",
                              id_token_signed_response_alg=algorithm)
    metadata, keys = await metadata_and_keys(served)
    nonce, verifier = secrets.token_urlsafe(16), generate_token(64)
    async with AsyncOAuth2Client(
            client["client_id"], client["client_secret"], redirect_uri=CALLBACK, scope="openid profile",
            code_challenge_method="S256", verify=trusting(served.pair.certificate)) as oauth:
        url, state = oauth.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
        async with Walker(SOMEBODY, served.password, trust=served.pair.certificate) as walker:
            back = await walker.walk(url, until=CALLBACK)
        tokens = await oauth.fetch_token(metadata["token_endpoint"], authorization_response=back, state=state,
                                         code_verifier=verifier)
        claims = verified(tokens["id_token"], keys, audience=client["client_id"], issuer=served.issuer)
        assert (claims["nonce"], jwt.get_unverified_header(tokens["id_token"])["alg"]) == (nonce, algorithm)
        access = verified(tokens["access_token"], keys, audience=f"{served.issuer}/api", issuer=served.issuer)
        assert jwt.get_unverified_header(tokens["access_token"]) | {"kid": ""} == {
            "alg": "ES256", "typ": "at+jwt", "kid": ""}
        assert (access["sub"], access["client_id"]) == (claims["sub"], client["client_id"])

        person = (await oauth.get(metadata["userinfo_endpoint"])).json()
        assert (person["sub"], person["preferred_username"]) == (claims["sub"], SOMEBODY)
        renewed = await oauth.refresh_token(metadata["token_endpoint"])
        assert (await oauth.introspect_token(
            metadata["introspection_endpoint"], token=renewed["access_token"])).json()["active"]
        await oauth.revoke_token(metadata["revocation_endpoint"], token=renewed["refresh_token"])
        assert (await oauth.introspect_token(
            metadata["introspection_endpoint"], token=renewed["access_token"])).json() == {"active": False}


async def test_authlib_speaks_for_a_service(served: Served) -> None:
    client = await registered(served, grant_types=["client_credentials"], redirect_uris=[], scope="read")
    metadata, keys = await metadata_and_keys(served)
    async with AsyncOAuth2Client(client["client_id"], client["client_secret"],
                                 verify=trusting(served.pair.certificate)) as oauth:
        token = await oauth.fetch_token(metadata["token_endpoint"], grant_type="client_credentials", scope="read")

    claims = verified(token["access_token"], keys, audience=f"{served.issuer}/api", issuer=served.issuer)
    assert (claims["sub"], claims["scope"]) == (client["client_id"], "read")
