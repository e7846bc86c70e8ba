"""HTTP/1.1 as the gateway takes it from a socket: uvicorn's httptools protocol with every leniency taken away.

llhttp itself refuses bare LF, folded fields, Content-Length beside Transfer-Encoding, signed or repeated lengths,
spaces around field names and control bytes. This class adds what llhttp and uvicorn let through: odd heads
(`head_check`), trailers, upgrades besides websocket, long heads, slow heads, slow bodies, clients that do not read,
more pipelined requests than a client needs, and more connections than there is room for. What is refused is answered
with a problem and the connection is closed, because its framing is doubtful.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, cast

import httptools
import orjson
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from control_plane.gateway import metrics
from control_plane.gateway.certificates import EXTENSION
from control_plane.gateway.connections import Connections, Seat
from control_plane.gateway.head_check import MAX_FIELDS, MAX_HEAD_BYTES, Head, RefusedHeadError, checked_head
from control_plane.gateway.one_write import OneWriteTransport
from control_plane.gateway.slow_reader import SlowReader, WaitingForReader
from control_plane.gateway.websocket_protocol import StrictWebSocket
from control_plane.problems import MEDIA_TYPE, TYPE_PREFIX
from shared_kernel.ids import uuid7

HEAD_TIMEOUT_S = 10.0
BODY_TIMEOUT_S = 30.0
WRITE_TIMEOUT_S = 30.0
"""How long a client may leave our answer in the buffers unread."""
MAX_PIPELINED = 64
RETRY_AFTER_S = 5
_CROWDED = frozenset({429, 503})
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_log = structlog.get_logger("gridwarden.gateway")


class StrictProtocol(WaitingForReader, HttpToolsProtocol):
    """One connection."""

    head_timeout_s: ClassVar[float] = HEAD_TIMEOUT_S
    body_timeout_s: ClassVar[float] = BODY_TIMEOUT_S
    write_timeout_s: ClassVar[float] = WRITE_TIMEOUT_S

    def __init__(
        self, *args: Any, connections: Connections | None = None, **options: Any,  # noqa: ANN401 - uvicorn's own
    ) -> None:
        super().__init__(*args, **options)
        self._connections = connections
        self._seat: Seat | None = None
        self._in_head = True
        self._in_body = False
        self._pending_bytes = 0
        self._kept_bytes = 0
        self._has_begun = False
        self._head_bytes, self._is_first = b"", True
        self._deadline: asyncio.TimerHandle | None = None
        self._refusal: RefusedHeadError | None = None
        self._answered: RequestResponseCycle | None = None
        self._extensions: dict[str, Any] = {}

    def expected(self, peer: str, give_up: Callable[[], object]) -> bool:
        """Take a seat for a connection whose TLS handshake is still to come; tell whether there was one."""
        if self._connections is None:
            return True
        seat = self._connections.admit(peer, give_up)
        if isinstance(seat, int):
            metrics.REFUSED.labels("too-many-connections").inc()
            return False
        self._seat = seat
        return True

    def unexpected(self) -> None:
        """Give that seat back if the handshake came to nothing."""
        if self.transport is None and self._seat is not None:
            self._seat.leave()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give a new connection a seat and its time to say something."""
        super().connection_made(cast("asyncio.Transport", OneWriteTransport(transport, self.loop)))
        self._reader = SlowReader(self.transport, self.loop, self.write_timeout_s)
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        self._extensions = {EXTENSION: certificate} if certificate else {}
        if self._seat is not None:
            self._seat.give_up = self.transport.abort
        elif self._connections is not None:
            seat = self._connections.admit(self.client[0] if self.client else "", self.transport.abort)
            if isinstance(seat, int):
                self._refuse(RefusedHeadError(seat, "too-many-connections"))
                return
            self._seat = seat
        self._arm(self.head_timeout_s, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines and the seat with the connection."""
        self._disarm()
        if self._reader is not None:
            self._reader.stop()
        if self._seat is not None:
            self._seat.leave()
        super().connection_lost(exc)
        self._tell_of_the_end()

    def data_received(self, data: bytes) -> None:
        """Parse; refuse a head that is malformed, ours to refuse, or too long to wait for its end."""
        self._unset_keepalive_if_required()
        if self._has_begun:
            self._head_bytes += data
        else:
            self._head_bytes, self._is_first = data, not self._in_body
        self._pending_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._upgraded()
            return
        except httptools.HttpParserError:
            self._refuse(self._refusal or RefusedHeadError(400, "malformed"))
            return
        if self._pending_bytes > MAX_HEAD_BYTES:
            self._refuse(RefusedHeadError(431, "head-too-long"))
            return
        self._watch()

    def on_message_begin(self) -> None:
        """Start a request."""
        self._kept_bytes, self._has_begun = 0, True
        super().on_message_begin()
        self.scope["extensions"] = self._extensions

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head; trailers come after the decision and are dropped."""
        if not self._in_head:
            return
        self._kept_bytes += len(name) + len(value) + 4
        if self._kept_bytes > MAX_HEAD_BYTES or len(self.headers) >= MAX_FIELDS:
            self._raise(431, "head-too-long")
        # llhttp leaves blanks behind a value, which are none of it (RFC 9110 section 5.5); framing has one spelling.
        super().on_header(name, value if name.lower() in _FRAMING else value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """Check the whole head before anything is routed."""
        try:
            head = checked_head(self.parser.get_http_version(), self.parser.get_method(), self.url, self.headers,
                                self._kept_bytes)
        except RefusedHeadError as refusal:
            self._refusal = refusal
            raise
        self._check_line(head.request_line)
        self._check_room(head)
        self._in_head, self._in_body, self._pending_bytes, self._has_begun = False, True, 0, False
        self._disarm()
        if self._seat is not None:
            self._seat.busy()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Let the connection make way for others while nothing is asked."""
        super().on_response_complete()
        if self._seat is not None and not self._is_answering():
            self._seat.idle()

    def on_body(self, body: bytes) -> None:
        """Take body bytes; what is not body (chunk extensions, trailers) counts against the head's limit."""
        self._pending_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; the next bytes are another one's head."""
        self._in_head, self._in_body, self._pending_bytes = True, False, 0
        self._disarm()
        super().on_message_complete()

    def _check_line(self, line: bytes) -> None:
        """Look for the request line in the bytes: llhttp takes `GET  /` and `RTSP/1.0` too, and says so nowhere."""
        found = self._head_bytes
        is_there = found.lstrip(b"\r\n").startswith(line) if self._is_first else line in found
        self._is_first = False
        if not is_there:
            self._raise(400, "request-line")

    def _check_room(self, head: Head) -> None:
        """An upgrade is HTTP/1.1's, without a body or a request before it in flight; nobody needs a long queue."""
        if self.parser.should_upgrade() and self._should_upgrade() and (
                head.has_body or head.version != "1.1" or self._is_answering()):
            self._raise(400, "upgrade")
        if len(self.pipeline) >= MAX_PIPELINED:
            self._raise(429, "pipeline")

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's own
        """Know which request is being answered: uvicorn's `cycle` is the newest, which may be queued behind it."""
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _tell_of_the_end(self) -> None:
        """Tell whoever answers, and the newest request, that nobody listens any more."""
        for cycle in (self._answered, self.cycle):
            if cycle is not None:
                cycle.disconnected = True
                cycle.message_event.set()

    def _raise(self, status: int, reason: str) -> None:
        """Stop the parser; it wraps what a callback raises, so the refusal is remembered here."""
        self._refusal = RefusedHeadError(status, reason)
        raise self._refusal

    def _upgraded(self) -> None:
        self._disarm()
        if self._should_upgrade():
            if self._reader is not None:
                self._reader.stop()
            self.ws_protocol_class = cast("Any", partial(
                StrictWebSocket, seat=self._seat, write_timeout_s=self.write_timeout_s))
            self.handle_websocket_upgrade()
        elif self._is_answering():
            # An upgrade we do not offer is ignored (RFC 9110 section 7.8); what follows it is not parsed.
            self.cycle.keep_alive = False

    def _watch(self) -> None:
        """Arm the deadline of a half-received request, disarm it when whole."""
        if self._in_body or self._has_begun or self._pending_bytes:
            if self._deadline is None:
                late = self._body_is_late if self._in_body else self._head_is_late
                self._arm(self.body_timeout_s if self._in_body else self.head_timeout_s, late)
        else:
            self._disarm()

    def _arm(self, seconds: float, late: Callable[[], None]) -> None:
        self._deadline = self.loop.call_later(seconds, late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _head_is_late(self) -> None:
        self._refuse(RefusedHeadError(408, "slow-head"))

    def _body_is_late(self) -> None:
        self._refuse(RefusedHeadError(408, "slow-body"))

    def _refuse(self, refusal: RefusedHeadError) -> None:
        """Answer and close; only close where an answer began, for a request gets one, and never another one's."""
        self._disarm()
        metrics.REFUSED.labels(refusal.reason).inc()
        _log.info("connection_refused", reason=refusal.reason, source_ip=self.client[0] if self.client else None)
        if self.transport.is_closing():
            return
        if not self._has_answer():
            self.transport.write(_rendered(refusal))
        self._tell_of_the_end()
        self.transport.close()

    def _has_answer(self) -> bool:
        """Tell whether the next bytes of ours would not be read as the answer to what is refused."""
        if not self._in_body:
            return self._is_answering()
        return self._answered is not self.cycle or self.cycle.response_started


def _rendered(refusal: RefusedHeadError) -> bytes:
    request_id = uuid7()
    body = orjson.dumps({
        "type": f"{TYPE_PREFIX}malformed-request", "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status, "detail": f"this request cannot be taken ({refusal.reason})",
        "request_id": request_id,
    })
    retry = (f"retry-after: {RETRY_AFTER_S}",) if refusal.status in _CROWDED else ()
    fields = (f"content-type: {MEDIA_TYPE}", f"content-length: {len(body)}", "cache-control: no-store",
              "x-content-type-options: nosniff", f"x-request-id: {request_id}", "connection: close", *retry)
    return STATUS_LINE[refusal.status] + "\r\n".join((*fields, "\r\n")).encode("ascii") + body
