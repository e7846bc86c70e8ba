"""The transmitter over HTTP (SSF 1.0 sections 7 and 8, RFC 8936): JSON in and out, never cached.

The gateway decided by role; here the token must also have been given for this (CAEP Interoperability Profile 2.7.3).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.jose.key_ring import JWKS_MAX_AGE_S
from identity.domain.oauth.resource_errors import InsufficientScopeError, TokenRequiredError
from identity.domain.signals.transmitter import MANAGE_SCOPE, READ_SCOPE, resource_metadata, transmitter_metadata
from identity.http.oauth.protocol import json_response
from identity.service import IdentityProvider
from shared_kernel.context import RequestContext, context_of
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import InvalidInputError
from shared_kernel.strict_json import parse_strict

MAX_DOCUMENT = 65_536
_PUBLIC = {"Cache-Control": f"public, max-age={JWKS_MAX_AGE_S}", "Access-Control-Allow-Origin": "*"}
_READ, _MANAGE = (READ_SCOPE, MANAGE_SCOPE), (MANAGE_SCOPE,)

Change = Callable[[str, Mapping[str, Any], RequestContext], Awaitable[object]]


class SignalRoutes:
    """Handlers of the transmitter."""

    def __init__(self, provider: IdentityProvider) -> None:
        self._provider = provider
        self._streams = provider.signals.streams

    async def configuration(self, _: Request) -> Response:
        """Serve the transmitter's metadata (SSF 1.0 7.2)."""
        return json_response(transmitter_metadata(self._provider.issuer), headers=_PUBLIC)

    async def resource(self, _: Request) -> Response:
        """Serve the protected resource's metadata (RFC 9728)."""
        return json_response(resource_metadata(self._provider.issuer), headers=_PUBLIC)

    async def read(self, request: Request) -> Response:
        """Serve stream configurations."""
        return json_response(await self._streams.read(_receiver(request, _READ), _stream_id(request)))

    async def create(self, request: Request) -> Response:
        """Create a stream (201)."""
        client_id = _receiver(request, _MANAGE)
        return json_response(
            await self._streams.create(client_id, await _document(request), context_of(request.scope)), 201)

    async def update(self, request: Request) -> Response:
        """Change what the request names (PATCH)."""
        return await self._changed(request, is_whole=False)

    async def replace(self, request: Request) -> Response:
        """Change everything (PUT)."""
        return await self._changed(request, is_whole=True)

    async def _changed(self, request: Request, *, is_whole: bool) -> Response:
        client_id = _receiver(request, _MANAGE)
        return json_response(await self._streams.change(
            client_id, await _document(request), context_of(request.scope), is_whole=is_whole))

    async def delete(self, request: Request) -> Response:
        """Delete a stream (204)."""
        await self._streams.delete(_receiver(request, _MANAGE), _stream_id(request), context_of(request.scope))
        return _nothing()

    async def status(self, request: Request) -> Response:
        """Serve a stream's status."""
        return json_response(await self._streams.status(_receiver(request, _READ), _stream_id(request)))

    async def set_status(self, request: Request) -> Response:
        """Change a stream's status."""
        client_id = _receiver(request, _MANAGE)
        return json_response(
            await self._streams.set_status(client_id, await _document(request), context_of(request.scope)))

    async def add_subject(self, request: Request) -> Response:
        """Add a subject (200 without a body)."""
        client_id = _receiver(request, _MANAGE)
        await self._streams.name_subject(client_id, await _document(request), context_of(request.scope),
                                         is_removed=False)
        return Response(status_code=200, headers={"Cache-Control": "no-store"})

    async def remove_subject(self, request: Request) -> Response:
        """Remove a subject (204)."""
        client_id = _receiver(request, _MANAGE)
        await self._streams.name_subject(client_id, await _document(request), context_of(request.scope),
                                         is_removed=True)
        return _nothing()

    async def verify(self, request: Request) -> Response:
        """Queue a verification event (204)."""
        client_id = _receiver(request, _MANAGE)
        await self._streams.verify(client_id, await _document(request))
        return _nothing()

    async def poll(self, request: Request) -> Response:
        """Serve the events that wait."""
        client_id = _receiver(request, _READ)
        return json_response(await self._provider.signals.polls.poll(
            client_id, request.path_params["stream_id"], await _document(request)))


def _receiver(request: Request, scopes: tuple[str, ...]) -> str:
    """Return the client that asks, if its token was given for this."""
    principal = context_of(request.scope).principal
    if principal.client_id is None:
        raise TokenRequiredError
    if principal.scopes.isdisjoint(scopes):
        raise InsufficientScopeError(scopes[0])
    return principal.client_id


def _stream_id(request: Request) -> str | None:
    return request.query_params.get("stream_id")


async def _document(request: Request) -> dict[str, Any]:
    found = parse_strict(await request.body())
    if not isinstance(found, dict):
        raise InvalidInputError("send a JSON object")
    return found


def _nothing() -> Response:
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


def signal_endpoints(provider: IdentityProvider) -> tuple[Endpoint, ...]:
    """Return the transmitter's routes below the path of the issuer, and its metadata (SSF 1.0 7.2, RFC 9728 3.1)."""
    base, routes = urlsplit(provider.issuer).path, SignalRoutes(provider)
    well_known, public = "/.well-known/ssf-configuration", "oauth.discovery"
    read, manage = "signals.read", "signals.manage"
    metadata = {f"{well_known}{base}": routes.configuration, f"{base}{well_known}": routes.configuration,
                f"/.well-known/oauth-protected-resource{base}": routes.resource}
    return (
        *(Endpoint("GET", path, public, handler, own_credentials=True) for path, handler in metadata.items()),
        Endpoint("GET", f"{base}/signals/stream", read, routes.read),
        Endpoint("POST", f"{base}/signals/stream", manage, routes.create, max_body=MAX_DOCUMENT),
        Endpoint("PATCH", f"{base}/signals/stream", manage, routes.update, max_body=MAX_DOCUMENT),
        Endpoint("PUT", f"{base}/signals/stream", manage, routes.replace, max_body=MAX_DOCUMENT),
        Endpoint("DELETE", f"{base}/signals/stream", manage, routes.delete),
        Endpoint("GET", f"{base}/signals/status", read, routes.status),
        Endpoint("POST", f"{base}/signals/status", manage, routes.set_status, max_body=MAX_DOCUMENT),
        Endpoint("POST", f"{base}/signals/subjects/add", manage, routes.add_subject, max_body=MAX_DOCUMENT),
        Endpoint("POST", f"{base}/signals/subjects/remove", manage, routes.remove_subject, max_body=MAX_DOCUMENT),
        Endpoint("POST", f"{base}/signals/verify", manage, routes.verify, max_body=MAX_DOCUMENT),
        Endpoint("POST", f"{base}/signals/poll/{{stream_id}}", read, routes.poll, max_body=MAX_DOCUMENT),
    )
