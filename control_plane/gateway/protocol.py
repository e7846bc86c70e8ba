"""HTTP/1.1 as the gateway takes it from a socket: uvicorn's httptools protocol with every leniency taken away.

llhttp itself refuses bare LF, folded fields, Content-Length beside Transfer-Encoding, signed or repeated lengths,
spaces around field names and control bytes. This class adds what llhttp and uvicorn let through: targets that are not
an absolute path (absolute-form, asterisk, authority, fragment), a missing or second Host, methods we do not serve,
other protocol versions, transfer codings besides chunked, trailers, upgrades besides websocket, long heads, slow heads,
slow bodies and clients that do not read. What is refused is answered with a problem and the connection is closed,
because its framing is doubtful.
"""

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar, cast

import httptools
import orjson
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from control_plane.gateway import metrics
from control_plane.gateway.certificates import EXTENSION
from control_plane.gateway.one_write import OneWriteTransport
from control_plane.problems import MEDIA_TYPE, TYPE_PREFIX
from shared_kernel.ids import uuid7

MAX_HEAD_BYTES = 16_384
MAX_FIELDS = 100
HEAD_TIMEOUT_S = 10.0
BODY_TIMEOUT_S = 30.0
WRITE_TIMEOUT_S = 30.0
"""How long a client may leave our answer in the buffers unread."""

METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
VERSIONS = frozenset({"1.0", "1.1"})
_TARGET = re.compile(rb"/[\x21\x22\x24-\x7e]*")
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_log = structlog.get_logger("gridwarden.gateway")


class RefusedHeadError(Exception):
    """A request's head we do not take, with the status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class StrictProtocol(HttpToolsProtocol):
    """One connection."""

    head_timeout_s: ClassVar[float] = HEAD_TIMEOUT_S
    body_timeout_s: ClassVar[float] = BODY_TIMEOUT_S
    write_timeout_s: ClassVar[float] = WRITE_TIMEOUT_S

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **options)
        self._in_head = True
        self._in_body = False
        self._pending_bytes = 0
        self._kept_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self._refusal: RefusedHeadError | None = None
        self._extensions: dict[str, Any] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give a new connection its time to say something."""
        super().connection_made(cast("asyncio.Transport", OneWriteTransport(transport, self.loop)))
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        self._extensions = {EXTENSION: certificate} if certificate else {}
        self._arm(self.head_timeout_s, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines with the connection."""
        self._disarm()
        self._disarm_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; refuse a head that is malformed, ours to refuse, or too long to wait for its end."""
        self._unset_keepalive_if_required()
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

    def pause_writing(self) -> None:
        """Give a client that does not read its time to begin."""
        super().pause_writing()
        self._arm_writing()

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        self._disarm_writing()
        super().resume_writing()

    def on_message_begin(self) -> None:
        """Start a request."""
        self._kept_bytes = 0
        super().on_message_begin()
        self.scope["extensions"] = self._extensions

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head; trailers come after the decision and are dropped."""
        if not self._in_head:
            return
        self._kept_bytes += len(name) + len(value) + 4
        if self._kept_bytes > MAX_HEAD_BYTES or len(self.headers) >= MAX_FIELDS:
            self._raise(431, "head-too-long")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check the whole head before anything is routed."""
        self._check()
        self._in_head, self._in_body, self._pending_bytes = False, True, 0
        self._disarm()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take body bytes; what is not body (chunk extensions, trailers) counts against the head's limit."""
        self._pending_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; the next bytes are another one's head."""
        self._in_head, self._in_body, self._pending_bytes = True, False, 0
        self._disarm()
        super().on_message_complete()

    def _check(self) -> None:
        if self.parser.get_http_version() not in VERSIONS:
            self._raise(505, "http-version")
        if self.parser.get_method() not in METHODS:
            self._raise(501, "method")
        if not _TARGET.fullmatch(self.url):
            self._raise(400, "target-form")
        if len(self.url) + self._kept_bytes > MAX_HEAD_BYTES:
            self._raise(431, "head-too-long")
        hosts = [value for name, value in self.headers if name == b"host"]
        is_1_1 = self.parser.get_http_version() == "1.1"
        if len(hosts) > 1 or (is_1_1 and not hosts) or not all(_HOST.fullmatch(host) for host in hosts):
            self._raise(400, "host")
        self._check_framing(is_1_1=is_1_1)

    def _check_framing(self, *, is_1_1: bool) -> None:
        """Chunked is the only transfer coding, and an upgrade has no body and no request before it in flight."""
        framing = {name: value for name, value in self.headers if name in {b"transfer-encoding", b"content-length"}}
        coding = framing.get(b"transfer-encoding")
        if coding is not None and (not is_1_1 or coding.lower() != b"chunked" or b"content-length" in framing):
            self._raise(400, "transfer-encoding")
        if self.parser.should_upgrade() and self._should_upgrade() and (framing or self._is_answering()):
            self._raise(400, "upgrade")

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _raise(self, status: int, reason: str) -> None:
        """Stop the parser; it wraps what a callback raises, so the refusal is remembered here."""
        self._refusal = RefusedHeadError(status, reason)
        raise self._refusal

    def _upgraded(self) -> None:
        self._disarm()
        if self._should_upgrade():
            self.handle_websocket_upgrade()
        elif self._is_answering():
            # An upgrade we do not offer is ignored (RFC 9110 section 7.8); what follows it is not parsed.
            self.cycle.keep_alive = False

    def _watch(self) -> None:
        """Arm the deadline of a half-received request, disarm it when whole."""
        if self._in_body or self._pending_bytes:
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

    def _disarm_writing(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def _arm_writing(self) -> None:
        unread = self.transport.get_write_buffer_size()
        self._write_deadline = self.loop.call_later(self.write_timeout_s, self._check_reader, unread)

    def _check_reader(self, unread_before: int) -> None:
        if self.transport.get_write_buffer_size() < unread_before:
            self._arm_writing()
            return
        metrics.REFUSED.labels("slow-reader").inc()
        self.transport.abort()

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
        has_answer = self.cycle.response_started if self._in_body else self._is_answering()
        if not has_answer:
            self.transport.write(_rendered(refusal))
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


def _rendered(refusal: RefusedHeadError) -> bytes:
    request_id = uuid7()
    body = orjson.dumps({
        "type": f"{TYPE_PREFIX}malformed-request", "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status, "detail": f"this request cannot be taken ({refusal.reason})",
        "request_id": request_id,
    })
    fields = (
        f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\ncache-control: no-store\r\n"
        f"x-content-type-options: nosniff\r\nx-request-id: {request_id}\r\nconnection: close\r\n\r\n"
    )
    return STATUS_LINE[refusal.status] + fields.encode("ascii") + body
