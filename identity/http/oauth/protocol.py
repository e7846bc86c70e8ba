"""The machine's side of OAuth: token, introspection, revocation, keys and discovery, as plain JSON."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response

from identity.domain.jose.key_ring import JWKS_MAX_AGE_S
from identity.domain.oauth.errors import OAuthError
from identity.http.oauth.cross_origin import OPEN
from identity.http.pages.forms import form_pairs
from identity.service import IdentityProvider
from shared_kernel.context import context_of
from shared_kernel.errors import InvalidInputError

INTROSPECTION_JWT = "application/token-introspection+jwt"
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_PUBLIC = {"Cache-Control": f"public, max-age={JWKS_MAX_AGE_S}", "Access-Control-Allow-Origin": "*"}

_FIELDS = [(name.lower().encode(), value.encode()) for name, value in (_NO_STORE | OPEN).items()]


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer that nobody keeps."""
    return Response(orjson.dumps(value), status, {**_NO_STORE, **(headers or {})}, "application/json")


class ProtocolResponse(Response):
    """An answer whose header fields are always the same few: they are spelled once."""

    def __init__(self, body: bytes, status: int, media_type: str, nonce: str | None) -> None:
        self.status_code, self.body, self.media_type, self.background = status, body, media_type, None
        self.raw_headers = [*_FIELDS, (b"content-type", media_type.encode()), (b"content-length", b"%d" % len(body))]
        if nonce is not None:
            self.raw_headers.append((b"dpop-nonce", nonce.encode()))


class ProtocolRoutes:
    """Handlers of the OAuth endpoints that browsers do not visit."""

    def __init__(self, provider: IdentityProvider) -> None:
        self._provider = provider

    async def discovery(self, _: Request) -> Response:
        """Serve the metadata (OIDC Discovery 4, RFC 8414 3)."""
        return json_response(self._provider.metadata(), headers=_PUBLIC)

    async def jwks(self, _: Request) -> Response:
        """Serve the public keys (RFC 7517 5)."""
        return json_response(await self._provider.jwks(), headers=_PUBLIC)

    async def token(self, request: Request) -> Response:
        """Serve the token endpoint (RFC 6749 3.2)."""
        return await self._answer(request, self._provider.token)

    async def introspect(self, request: Request) -> Response:
        """Serve introspection (RFC 7662), as a JWT when that is asked for (RFC 9701 section 4)."""
        as_jwt = INTROSPECTION_JWT in request.headers.get("accept", "").lower()
        return await self._answer(request, partial(self._provider.introspect, as_jwt=as_jwt),
                                  media_type=INTROSPECTION_JWT if as_jwt else "application/json")

    async def authorize_device(self, request: Request) -> Response:
        """Serve the device authorization endpoint (RFC 8628 section 3.1)."""
        return await self._answer(request, self._provider.authorize_device)

    async def revoke(self, request: Request) -> Response:
        """Serve revocation (RFC 7009)."""
        return await self._answer(request, self._provider.revoke)

    async def push(self, request: Request) -> Response:
        """Serve the pushed authorization request endpoint (RFC 9126)."""
        return await self._answer(request, self._provider.push, status=201)

    async def _answer(self, request: Request, ask: Callable[..., Awaitable[object]], *, status: int = 200,
                      media_type: str = "application/json") -> Response:
        context = context_of(request.scope)
        try:
            found = await ask(await _pairs(request), context)
        except OAuthError as error:
            return _refusal(error, context.credentials.authorization)
        body = found if isinstance(found, bytes) else orjson.dumps(found if found is not None else {})
        nonce = self._provider.sender.nonce() if context.credentials.proofs else None
        return ProtocolResponse(body, status, media_type, nonce)


async def _pairs(request: Request) -> list[tuple[str, str]]:
    if request.scope["query_string"]:
        raise OAuthError("invalid_request", "parameters belong in the body, never in the URL (RFC 6749 2.3.1)")
    if sum(name == b"authorization" for name, _ in request.scope["headers"]) > 1:
        raise OAuthError("invalid_request", "two Authorization headers")
    try:
        return await form_pairs(request)
    except InvalidInputError as error:
        raise OAuthError("invalid_request", error.detail) from error


def _refusal(error: OAuthError, authorization: str | None) -> Response:
    is_challenged = error.status == 401 and authorization is not None  # noqa: PLR2004 - RFC 6749 5.2
    headers = {"WWW-Authenticate": 'Basic realm="gridwarden"'} if is_challenged else {}
    answer = {"error": error.code, "error_description": error.description}
    return json_response(answer, error.status, {**OPEN, **headers, **error.headers})
