"""The same check over HTTP/1.1, for Envoy's HTTP service and NGINX's auth_request.

| who | how it asks | what it does with the answer |
|---|---|---|
| Envoy (`path_prefix: /check`) | the request's own method, path and fields | 200 passes, all else the client gets |
| NGINX | `/nginx`, the request in `X-Original-Method` and `X-Original-URI` | 200, 401 and 403; NGINX takes no other |
"""

from collections.abc import Iterable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from control_plane.ext_authz.checker import Check, Checker, Denied, Fields
from control_plane.ext_authz.permission import Mutations
from control_plane.gateway.peers import NOWHERE, address_of

PREFIX = b"/check"
NGINX = b"/nginx"
REMOVED = "x-envoy-auth-headers-to-remove"
_ORIGINAL_METHOD, _ORIGINAL_TARGET = b"x-original-method", b"x-original-uri"
_UNAUTHENTICATED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
_FROM_NGINX: Mapping[int, int] = {_UNAUTHENTICATED: _UNAUTHENTICATED}


class HttpChecks:
    """An ASGI application; whatever it is sent besides checks does not exist."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        response = await self._answer(scope)
        await response(scope, receive, send)

    async def _answer(self, scope: Scope) -> Response:
        raw: bytes = scope["raw_path"]
        if raw.startswith(PREFIX + b"/"):
            query = b"?" + scope["query_string"] if scope["query_string"] else b""
            asked = _check(scope["method"], raw.removeprefix(PREFIX) + query, scope["headers"])
            return _response(await self._checker.check(asked))
        if raw == NGINX:
            return _for_nginx(await self._checker.check(_original(scope["headers"])))
        return Response(status_code=_NOT_FOUND)


def _check(method: str, target: bytes, fields: Fields) -> Check:
    source, kept = _source(fields)
    return Check(method=method, target=target, fields=kept, source_ip=source)


def _original(fields: Fields) -> Check:
    """Return what NGINX holds; said twice or not at all it is no request, and refused as one."""
    method, target = ([value for name, value in fields if name == wanted]
                      for wanted in (_ORIGINAL_METHOD, _ORIGINAL_TARGET))
    is_said_once = len(method) == len(target) == 1
    return _check(method[0].decode("latin-1") if is_said_once else "", target[0] if is_said_once else b"", fields)


def _source(fields: Fields) -> tuple[str, Fields]:
    """Return whom the proxy saw, the last it appended to X-Forwarded-For, and the fields with what stood before."""
    hops = b",".join(value for name, value in fields if name == b"x-forwarded-for").split(b",")
    seen = address_of(hops[-1].decode("latin-1").strip())
    others = [(name, value) for name, value in fields if name != b"x-forwarded-for"]
    if len(hops) > 1:
        others.append((b"x-forwarded-for", b",".join(hops[:-1])))
    return (NOWHERE if seen is None else str(seen)), others


def _response(found: Mutations | Denied) -> Response:
    if isinstance(found, Denied):
        return _with(Response(found.body, found.status), found.headers)
    removed = [(REMOVED, ",".join(found.to_remove))] if found.to_remove else []
    return _with(Response(), [*found.to_set.items(), *removed])


def _for_nginx(found: Mutations | Denied) -> Response:
    if isinstance(found, Denied):
        return _with(Response(found.body, _FROM_NGINX.get(found.status, _FORBIDDEN)), found.headers)
    return _response(found)


def _with(response: Response, fields: Iterable[tuple[str, str]]) -> Response:
    for name, value in fields:
        response.headers[name] = value
    return response
