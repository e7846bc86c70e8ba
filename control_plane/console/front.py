"""The outermost layer: one spelling of a path and one host, headers on every answer, and one log entry a failure.

What only one spelling reaches cannot be reached by another (`/static%2f..`), and a name that an attacker's DNS points
at this machine is not ours.
"""

import time
from http import HTTPStatus

import httpx2 as httpx
import structlog
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.gateway.canonical_path import canonical_path, refuse_unusable_query
from shared_kernel.errors import InvalidInputError
from shared_kernel.ids import uuid7

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self' {issuer}; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
)
"""`form-action` names the issuer because Chromium applies it to the redirect after the sign-out form."""
_HEADERS = {
    "content-security-policy": _CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
_HTTPS_ONLY = {"strict-transport-security": "max-age=63072000; includeSubDomains"}
_VENDOR = "/static/vendor/"
_CACHEABLE = b"public, max-age=86400"

_log = structlog.get_logger()


class Front:
    """Wraps the console's application, which renders its own failures and then raises them: here they are logged."""

    def __init__(self, app: ASGIApp, *, issuer: str, url: str, is_https: bool) -> None:
        self._app = app
        self._hosts = _spellings(httpx.URL(url))
        parts = httpx.URL(issuer)
        origin = f"{parts.scheme}://{parts.netloc.decode()}"
        headers = _HEADERS | (_HTTPS_ONLY if is_https else {})
        self._headers = [(name.encode(), value.replace("{issuer}", origin).encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; a websocket is refused, the console has none."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        request_id, began, status, is_whole = uuid7(), time.perf_counter(), 0, False
        scope["gridwarden.request_id"] = request_id

        async def complete(message: Message) -> None:
            nonlocal status, is_whole
            is_whole = message["type"] == "http.response.body" and not message.get("more_body")
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = self._completed(message["headers"], scope["path"], status, request_id)
            await send(message)

        try:
            await (self._refusal(scope) or self._app)(scope, receive, complete)
        except Exception as error:
            _log.exception("console_failed", request_id=request_id, path=scope["path"], error=type(error).__name__)
            if not is_whole:
                raise
        _log.debug("console_request", request_id=request_id, method=scope["method"], path=scope["path"], status=status,
                   duration_ms=round((time.perf_counter() - began) * 1000, 1))

    def answers_to(self, host: bytes) -> bool:
        """Tell whether a Host field in lower case names the console."""
        return host in self._hosts

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        """Return the answer to a request that no page of ours sends."""
        try:
            scope["path"] = canonical_path(scope.get("raw_path") or b"")
            refuse_unusable_query(scope["query_string"])
        except InvalidInputError as error:
            return PlainTextResponse(f"{error.detail}.\n", HTTPStatus.BAD_REQUEST)
        hosts = [value.lower() for name, value in scope["headers"] if name == b"host"]
        if len(hosts) == 1 and self.answers_to(hosts[0]):
            return None
        return PlainTextResponse(f"The console is at {self._hosts[0].decode()}.\n", HTTPStatus.MISDIRECTED_REQUEST)

    def _completed(
        self, given: list[tuple[bytes, bytes]], path: str, status: int, request_id: str,
    ) -> list[tuple[bytes, bytes]]:
        is_cacheable = path.startswith(_VENDOR) and status < 400  # noqa: PLR2004 - HTTP's own class of failure
        ours = [(name, _CACHEABLE if name == b"cache-control" and is_cacheable else value)
                for name, value in self._headers]
        names = {name for name, _ in ours}
        return [*(h for h in given if h[0].lower() not in names), *ours, (b"x-request-id", request_id.encode())]


def _spellings(url: httpx.URL) -> tuple[bytes, ...]:
    """Return how a Host field may name the console: a default port may be said or left out."""
    name = f"[{url.host}]" if ":" in url.host else url.host
    default = 443 if url.scheme == "https" else 80
    port = url.port or default
    spelled = (name, f"{name}:{port}") if port == default else (f"{name}:{port}",)
    return tuple(each.lower().encode() for each in spelled)
