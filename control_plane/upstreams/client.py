"""The HTTP client towards one service: kept-alive connections of its own, nothing remembered, nothing followed.

No cookies, redirects, proxies of the environment, decompression, or repetitions of its own: what is repeated, and when,
is decided elsewhere. TLS shows and believes what the service's plan says.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from control_plane.upstreams.fields import MAX_FIELDS, MAX_HEAD_BYTES, Head, Headers, UnusableHeadError, checked_head
from control_plane.upstreams.plan import Address, Service

KEEP_ALIVE_S = 15.0
READ_BYTES = 65_536
MAX_LINE_BYTES = 16_384
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

    def __init__(self, response: aiohttp.ClientResponse, head: Head) -> None:
        self._response, self.head = response, head

    async def chunk(self) -> bytes:
        """Return the next bytes of the body, none at its end; raise BrokenError when it is not whole."""
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError) as cause:
            raise BrokenError(type(cause).__name__) from cause

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
        except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError, ValueError) as cause:
            raise BrokenError(type(cause).__name__) from cause
        try:
            return Answer(response, checked_head(response.status, list(response.raw_headers)))
        except UnusableHeadError as cause:
            response.close()
            raise BrokenError(str(cause)) from cause

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
        except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError, ValueError) as cause:
            raise BrokenError(type(cause).__name__) from cause

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
            connector = aiohttp.TCPConnector(
                limit=self._service.max_connections, keepalive_timeout=KEEP_ALIVE_S, use_dns_cache=False)
            self._session = aiohttp.ClientSession(
                connector=connector, auto_decompress=False, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._service.timeouts.connect_s),
                read_bufsize=READ_BYTES, max_line_size=MAX_LINE_BYTES, max_field_size=MAX_HEAD_BYTES // 2,
                max_headers=MAX_FIELDS)
            self._session._retry_connection = False  # noqa: SLF001 - it would repeat PUT and DELETE unasked
        return self._session


_UNREACHABLE: tuple[type[Exception], ...] = (
    aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, ssl.CertificateError)


def _why(cause: Exception) -> str:
    inner = cause.__cause__ or cause
    return type(inner).__name__ if not isinstance(inner, ssl.SSLError) else (inner.reason or type(inner).__name__)


def _fields_of(outgoing: Outgoing, address: Address) -> Any:  # noqa: ANN401 - aiohttp's own multi-dictionary
    """Return the fields with the target's own Host; `to_service` let through only what aiohttp writes as it is."""
    from multidict import CIMultiDict

    found = CIMultiDict([("Host", address.authority)])
    for name, value in outgoing.fields:
        found.add(name.decode("ascii"), value.decode("utf-8"))
    if outgoing.length is not None:
        found["Content-Length"] = str(outgoing.length)
    return found
