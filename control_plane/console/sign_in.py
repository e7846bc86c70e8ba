"""Signing in and out: authorization code with PKCE by Authlib, as any client of ours would."""

import hmac
from typing import Any
from urllib.parse import urlencode

import httpx2 as httpx
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from control_plane.console.gateway_client import GatewayUnreachableError
from control_plane.console.sessions import ConsoleSession, Flow
from shared_kernel.errors import GridwardenError
from shared_kernel.ids import secret

SCOPE = "openid profile api"
LEEWAY_S = 30


class SignInFailedError(GridwardenError):
    """The provider refused, or its answer does not belong to this browser."""


class SignIn:
    """The relying party's half of OpenID Connect Core 1.0, section 3.1."""

    def __init__(
        self, issuer: str, callback: str, *, client_id: str, client_secret: str,
        http: httpx.AsyncClient,
    ) -> None:
        self._issuer = issuer
        self._callback = callback
        self._client_id = client_id
        self._secret = client_secret
        self._http = http

    def begin(self, session: ConsoleSession, *, then: str, **login: str) -> str:
        """Return where to send the browser; what must match later is kept in the session.

        `login` may say `max_age` and `acr_values` (OpenID Connect Core 1.0, section 3.1.2.1).
        """
        verifier, nonce = secret() + secret(), secret()
        url, state = self._client().create_authorization_url(
            f"{self._issuer}/oauth2/authorize", code_verifier=verifier, nonce=nonce, **login,
        )
        session.keep_flow(str(state), Flow(verifier, nonce, then))
        return str(url)

    async def finish(self, session: ConsoleSession, query: dict[str, str]) -> str:
        """Redeem the code, verify the ID token, fill the session; return the page the person wanted.

        1. The state is one this browser began with, and is spent.   2. The issuer is the one asked (RFC 9207).
        3. The code is redeemed with its PKCE verifier.              4. The ID token is signed for us and this nonce.
        """
        flow = session.flows.pop(query.get("state", ""), None)
        if flow is None:
            raise SignInFailedError("This sign-in was not started in this browser, or is over. Start again.")
        if query.get("iss") != self._issuer:
            raise SignInFailedError("The answer came from another issuer than the one asked.")
        if "code" not in query:
            raise SignInFailedError(f"The provider refused: {query.get('error_description') or query.get('error')}")
        tokens = await self._redeem(query["code"], flow.verifier)
        session.person = await self._person(str(tokens.get("id_token", "")), flow.nonce)
        session.tokens = tokens
        return flow.then

    def end_url(self, session: ConsoleSession, back: str) -> str:
        """Return the provider's logout page (RP-initiated logout)."""
        hint = {"id_token_hint": session.tokens["id_token"]} if session.tokens.get("id_token") else {}
        query = urlencode({**hint, "client_id": self._client_id, "post_logout_redirect_uri": back})
        return f"{self._issuer}/oauth2/logout?{query}"

    async def _redeem(self, code: str, verifier: str) -> dict[str, Any]:
        """Redeem the code over the console's own connections to the gateway."""
        try:
            answer = await self._http.post(f"{self._issuer}/oauth2/token", auth=(self._client_id, self._secret), data={
                "grant_type": "authorization_code", "code": code, "code_verifier": verifier,
                "redirect_uri": self._callback,
            })
            found = answer.json()
        except (httpx.HTTPError, ValueError) as cause:
            raise GatewayUnreachableError(self._issuer) from cause
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR or not isinstance(found, dict):
            raise GatewayUnreachableError(self._issuer)
        if not answer.is_success or not found.get("access_token"):
            raise SignInFailedError(f"The provider refused the code: {found.get('error', 'it gave no token')}")
        return found

    async def _person(self, id_token: str, nonce: str) -> dict[str, Any]:
        try:
            answer = (await self._http.get(f"{self._issuer}/oauth2/jwks")).raise_for_status()
            keys = KeySet.import_key_set(answer.json())
            claims = jwt.decode(id_token, keys, algorithms=["ES256"]).claims
            jwt.JWTClaimsRegistry(
                iss={"essential": True, "value": self._issuer}, aud={"essential": True, "value": self._client_id},
                sub={"essential": True}, exp={"essential": True}, leeway=LEEWAY_S,
            ).validate(claims)
        except httpx.HTTPError as cause:
            raise GatewayUnreachableError(self._issuer) from cause
        except (JoseError, ValueError, KeyError, TypeError) as cause:
            raise SignInFailedError("The ID token is not valid for this sign-in.") from cause
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise SignInFailedError("The ID token is not valid for this sign-in.")
        return dict(claims)

    def _client(self) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            self._client_id, self._secret, redirect_uri=self._callback, scope=SCOPE, code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic",  # noqa: S106 - a method's name
        )
