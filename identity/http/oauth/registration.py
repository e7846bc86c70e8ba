"""Dynamic registration over HTTP (RFC 7591 section 3, RFC 7592 section 2)."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.clients.errors import ClientMetadataError
from identity.domain.clients.registration import document_of
from identity.domain.oauth.errors import OAuthError
from identity.http.oauth.protocol import json_response
from identity.service import IdentityProvider
from identity.service.clients.registrar import Issued
from shared_kernel.context import context_of
from shared_kernel.errors import ConflictError, InvalidInputError, UnprocessableError
from shared_kernel.strict_json import parse_strict

MAX_DOCUMENT = 65_536
_CHALLENGE = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class RegistrationRoutes:
    """Handlers of /oauth2/register."""

    def __init__(self, provider: IdentityProvider) -> None:
        self._provider = provider

    async def register(self, request: Request) -> Response:
        """Register a client (RFC 7591 section 3.1)."""
        try:
            document = await _document(request)
            issued = await self._provider.registration.register(_authorization(request), document,
                                                                context_of(request.scope))
        except (OAuthError, UnprocessableError, ConflictError) as error:
            return _refusal(error)
        return json_response(self._answer(issued), 201)

    async def read(self, request: Request) -> Response:
        """Show a client what it is registered with (RFC 7592 section 2.1)."""
        try:
            issued = await self._provider.registration.read(request.path_params["client_id"], _authorization(request))
        except OAuthError as error:
            return _refusal(error)
        return json_response(self._answer(issued))

    async def replace(self, request: Request) -> Response:
        """Replace a client's metadata (RFC 7592 section 2.2)."""
        try:
            document = await _document(request)
            issued = await self._provider.registration.replace(
                request.path_params["client_id"], _authorization(request), document, context_of(request.scope))
        except (OAuthError, UnprocessableError) as error:
            return _refusal(error)
        return json_response(self._answer(issued))

    async def remove(self, request: Request) -> Response:
        """Remove a client (RFC 7592 section 2.3)."""
        try:
            await self._provider.registration.remove(
                request.path_params["client_id"], _authorization(request), context_of(request.scope))
        except OAuthError as error:
            return _refusal(error)
        return Response(status_code=204, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _answer(self, issued: Issued) -> dict[str, Any]:
        """RFC 7591 section 3.2.1: all registered metadata, and what is shown this once."""
        found = document_of(issued.client)
        if issued.secret is not None:
            found["client_secret"] = issued.secret
        if issued.client.secret_hash is not None:
            found["client_secret_expires_at"] = 0
        if issued.registration_token is not None:
            found["registration_access_token"] = issued.registration_token
            found["registration_client_uri"] = f"{self._provider.issuer}/oauth2/register/{issued.client.id}"
        return found


def _authorization(request: Request) -> str | None:
    found = request.headers.getlist("authorization")
    return ", ".join(found) if found else None


async def _document(request: Request) -> Mapping[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ClientMetadataError("the body", "must be application/json (RFC 7591 section 3.1)")
    try:
        document = parse_strict(await request.body())
    except InvalidInputError as cause:
        raise ClientMetadataError("the body", f"is not a registration: {cause.detail}") from cause
    if not isinstance(document, dict):
        raise ClientMetadataError("the body", "must be a JSON object")
    return document


def _refusal(error: OAuthError | UnprocessableError | ConflictError) -> Response:
    """RFC 7591 section 3.2.2; a refused token is RFC 6750's business."""
    if isinstance(error, OAuthError):
        return json_response({"error": error.code, "error_description": error.description}, error.status, _CHALLENGE)
    code = error.code if isinstance(error, ClientMetadataError) else ClientMetadataError.code
    return json_response({"error": code, "error_description": error.detail}, 400)
