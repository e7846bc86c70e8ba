"""The userinfo endpoint over HTTP (OIDC Core 5.3): GET and POST, the token in the header or in the form."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.oauth.challenges import challenge
from identity.domain.oauth.errors import OAuthError
from identity.domain.oauth.parameters import unique
from identity.domain.oauth.resource_errors import InsufficientScopeError
from identity.http.oauth.cross_origin import OPEN, preflight
from identity.http.oauth.protocol import json_response
from identity.http.pages.forms import FORM_TYPE, MAX_FORM, form_pairs
from identity.service import IdentityProvider
from shared_kernel.context import context_of
from shared_kernel.credentials import Credentials
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import InvalidInputError, UnauthenticatedError

_PATH, _ACTION = "/oauth2/userinfo", "oauth.userinfo"


class UserInfoRoutes:
    """Handlers of the userinfo endpoint."""

    def __init__(self, provider: IdentityProvider) -> None:
        self._provider = provider

    async def userinfo(self, request: Request) -> Response:
        """Serve the claims about the person behind the token, as JSON or as the JWT the client registered for."""
        context = context_of(request.scope)
        try:
            credentials = await _presented(request, context.credentials)
            found = await self._provider.userinfo.answer(credentials, context)
        except (OAuthError, InsufficientScopeError, UnauthenticatedError) as error:
            return _refusal(error)
        headers = OPEN | ({"DPoP-Nonce": self._provider.sender.nonce()} if credentials.proofs else {})
        if found.signed is None:
            return json_response(found.claims, headers=headers)
        return Response(found.signed, 200, {"Cache-Control": "no-store", **headers}, "application/jwt")


async def _presented(request: Request, credentials: Credentials) -> Credentials:
    """Return the credentials with a token from the form, if that is where it is (RFC 6750 2.2), and nowhere else."""
    if "access_token" in request.query_params:
        raise OAuthError("invalid_request", "an access token never stands in the URL (RFC 6750 2.3, RFC 9700 4.3.2)")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method != "POST" or kind != FORM_TYPE:
        return credentials
    try:
        fields, broken = unique(await form_pairs(request))
    except InvalidInputError as error:
        raise OAuthError("invalid_request", error.detail) from error
    if broken or ("access_token" in fields and credentials.authorization is not None):
        raise OAuthError("invalid_request", "one access token, presented in one way (RFC 6750 2)")
    token = fields.get("access_token")
    return credentials if token is None else replace(credentials, authorization=f"Bearer {token}")


def _refusal(error: OAuthError | InsufficientScopeError | UnauthenticatedError) -> Response:
    """Say no as RFC 6750 section 3.1 has it."""
    headers = dict(getattr(error, "headers", {}))
    if isinstance(error, OAuthError):
        headers.setdefault("WWW-Authenticate", challenge("Bearer", error.code))
        return _problem(error.code, error.description, error.status, headers)
    if isinstance(error, InsufficientScopeError):
        return _problem("insufficient_scope", error.detail, 403, headers)
    return _problem("invalid_token", error.detail, 401, headers)


def _problem(code: str, description: str, status: int, headers: dict[str, str]) -> Response:
    return json_response({"error": code, "error_description": description}, status, {**headers, **OPEN})


def userinfo_endpoints(provider: IdentityProvider) -> tuple[Endpoint, ...]:
    """Return the routes of userinfo."""
    routes = UserInfoRoutes(provider)
    return (
        Endpoint("GET", _PATH, _ACTION, routes.userinfo, own_credentials=True),
        Endpoint("POST", _PATH, _ACTION, routes.userinfo, max_body=MAX_FORM, own_credentials=True),
        Endpoint("OPTIONS", _PATH, _ACTION, preflight, own_credentials=True),
    )
