"""The HTTP client towards one service: kept-alive connections of its own, nothing remembered, nothing followed.

No cookies, redirects, proxies of the environment, decompression, or repetitions of its own: what is repeated, and when,
is decided elsewhere. TLS shows and believes what the service's plan says.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
from yarl import URL

from control_plane.upstreams.connections import CheckedResponse, CleanConnector
from control_plane.upstreams.fields import MAX_FIELDS, MAX_HEAD_BYTES, Headers, UnusableHeadError
from control_plane.upstreams.plan import Address, Service

KEEP_ALIVE_S = 4.0
"""Shorter than the 5 s after which common servers (uvicorn, Node, Apache) close: a request that meets the closing is
lost, and only what is marked as repeatable is repeated."""
READ_BYTES = 65_536
MAX_LINE_BYTES = 16_384
SWITCHING_PROTOCOLS = 101
_AUTOMATIC = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class UnreachableError(Exception):
    """No connection was made: nothing was done."""


class BrokenError(Exception):
    """The connection broke, or what came is not HTTP: what was done is not known."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request for a service: everything but who gets it and its body."""

    method: str
    target: str
    fields: Headers
    length: int | None


class Answer:
    """A service's answer whose head is checked; read its body, then `release` or `drop` it."""

    def __init__(self, response: CheckedResponse) -> None:
        self._response, self.head = response, response.head

    async def chunk(self) -> bytes:
        """Return the next bytes of the body, none at its end; raise BrokenError when it is not whole."""
        try:
            return await self._response.content.readany()
        except _BROKEN as cause:
            raise BrokenError(_why(cause)) from cause

    def release(self) -> None:
        """Give a read answer's connection back."""
        self._response.release()

    def drop(self) -> None:
        """Close the connection: something of the answer is unread or doubtful."""
        self._response.close()


class Client:
    """Sends to the targets of one service."""

    def __init__(self, service: Service, tls: Callable[[], ssl.SSLContext] | None) -> None:
        self._service, self._tls = service, tls
        self._session: aiohttp.ClientSession | None = None

    async def send(self, address: Address, outgoing: Outgoing, body: AsyncIterator[bytes] | None) -> Answer:
        """Return an answer's head; raise UnreachableError, BrokenError. Time is bounded by the caller."""
        try:
            response = await self._sessions().request(
                outgoing.method, URL(address.origin + outgoing.target, encoded=True), data=body,
                headers=_fields_of(outgoing, address), allow_redirects=False, skip_auto_headers=_AUTOMATIC,
                server_hostname=self._server_name(), ssl=self._context())
        except _UNREACHABLE as cause:
            raise UnreachableError(_why(cause)) from cause
        except _BROKEN as cause:
            raise BrokenError(_why(cause)) from cause
        if response.status == SWITCHING_PROTOCOLS:
            response.close()
            raise BrokenError("it switches protocols unasked")
        return Answer(cast("CheckedResponse", response))

    async def open_websocket(
        self, address: Address, outgoing: Outgoing, *, protocols: tuple[str, ...], max_message: int,
    ) -> aiohttp.ClientWebSocketResponse:
        """Return an open websocket; raise UnreachableError, BrokenError."""
        try:
            return await self._sessions().ws_connect(
                URL(address.origin + outgoing.target, encoded=True), protocols=protocols, autoping=True,
                autoclose=False, compress=0, heartbeat=20.0, max_msg_size=max_message,
                headers=_fields_of(outgoing, address), server_hostname=self._server_name(), ssl=self._context())
        except _UNREACHABLE as cause:
            raise UnreachableError(_why(cause)) from cause
        except _BROKEN as cause:
            raise BrokenError(_why(cause)) from cause

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _server_name(self) -> str | None:
        return self._service.tls.server_name if self._service.tls else None

    def _context(self) -> ssl.SSLContext | bool:
        return True if self._tls is None else self._tls()

    def _sessions(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = CleanConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S, use_dns_cache=False)
            self._session = aiohttp.ClientSession(
                connector=connector, response_class=CheckedResponse, cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False, trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._service.timeouts.connect_s),
                read_bufsize=READ_BYTES, max_line_size=MAX_LINE_BYTES, max_field_size=MAX_HEAD_BYTES // 2,
                max_headers=MAX_FIELDS)
            self._session._retry_connection = False  # noqa: SLF001 - it would repeat PUT and DELETE unasked
        return self._session


_UNREACHABLE: tuple[type[Exception], ...] = (
    aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, ssl.CertificateError)
_BROKEN: tuple[type[Exception], ...] = (
    aiohttp.ClientError, aiohttp.http.HttpProcessingError, UnusableHeadError, OSError, ValueError)


def _why(cause: Exception) -> str:
    inner = cause.__cause__ or cause
    told = str(inner) if isinstance(inner, UnusableHeadError) else getattr(inner, "reason", None)
    return str(told or type(inner).__name__)


def _fields_of(outgoing: Outgoing, address: Address) -> Any:  # noqa: ANN401 - aiohttp's own multi-dictionary
    """Return the fields with the target's own Host; `to_service` let through only what aiohttp writes as it is."""
    from multidict import CIMultiDict

    found = CIMultiDict([("Host", address.authority)])
    for name, value in outgoing.fields:
        found.add(name.decode("ascii"), value.decode("utf-8"))
    if outgoing.length is not None:
        found["Content-Length"] = str(outgoing.length)
    return found
