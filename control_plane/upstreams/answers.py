"""What a service answered, as our client gets it: short answers whole or not at all, long ones as they come."""

import asyncio
from dataclasses import dataclass

import orjson
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from control_plane.problems import MEDIA_TYPE, TYPE_PREFIX
from control_plane.upstreams.bodies import ClientBody, unless_left
from control_plane.upstreams.client import Answer, BrokenError
from control_plane.upstreams.errors import BadAnswerError, CutOffError, TooSlowError
from control_plane.upstreams.fields import Head, Headers, from_service, single
from control_plane.upstreams.paths import Locations
from control_plane.upstreams.targets import Attempt

WHOLE_BYTES = 65_536
"""An answer up to here is read before anything is sent: what is wrong with it is then a 502."""
EVENT_STREAM = "text/event-stream"
_BODILESS = frozenset({204, 304})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NOT_OURS_TO_TELL = frozenset({401, 407})
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Limits:
    """How much and how long: bytes of an answer, when a request ends (by the loop's clock), the pauses of a stream."""

    max_answer: int
    deadline_s: float
    idle_s: float


def refuse_refusal(service: str, head: Head) -> None:
    """Raise BadAnswerError for an answer that is about the gateway and not about its caller."""
    if head.status in _NOT_OURS_TO_TELL:
        raise BadAnswerError(service, "it does not accept the gateway's assertion")


def failure_of(service: str, head: Head, request_id: str) -> Response:
    """Return a 5xx in our words: a service's own tell of its inside."""
    body = {
        "type": f"{TYPE_PREFIX}service-failed", "title": "Service failed", "status": head.status,
        "detail": f"the service {service} failed; the request id finds it in its logs", "request_id": request_id,
    }
    after = single(head.fields, b"retry-after") or b""
    headers = {"Retry-After": after.decode()} if after.isdigit() and len(after) < 6 else {}  # noqa: PLR2004 - a day
    return Response(orjson.dumps(body), head.status, headers, MEDIA_TYPE)


def head_of(  # noqa: PLR0913 - what an answer is judged by
    service: str, head: Head, *, cookies: tuple[str, ...], secrets: tuple[bytes, ...], locations: Locations,
    origin: str, path: str,
) -> Headers:
    """Return the fields for our client; raise BadAnswerError for a redirect that leads nowhere we know."""
    fields = from_service(head.fields, cookies=cookies, secrets=secrets)
    reference = single(head.fields, b"location")
    public = None if reference is None else locations.public(
        reference.decode("latin-1"), origin=origin, path=path)
    if public is not None:
        fields.append((b"location", public.encode("ascii")))
    elif head.status in _REDIRECTS:
        raise BadAnswerError(service, "it redirects to where no route leads")
    return fields


def has_body(method: str, head: Head) -> bool:
    """Tell whether bytes follow the head (RFC 9110 section 6.4.1)."""
    return method != "HEAD" and head.status not in _BODILESS


def is_event_stream(head: Head) -> bool:
    """Tell whether the answer is a stream of events, which may last."""
    found = single(head.fields, b"content-type") or b""
    return found.split(b";")[0].strip().lower() == EVENT_STREAM.encode()


async def beginning_of(service: str, answer: Answer, limits: Limits) -> tuple[bytes, bool]:
    """Return the first bytes, up to WHOLE_BYTES or a chunk more, and whether they are all; raise BadAnswerError."""
    if (answer.head.length or 0) > limits.max_answer:
        raise BadAnswerError(service, f"its answer is longer than {limits.max_answer} bytes")
    held = bytearray()
    while len(held) <= min(WHOLE_BYTES, limits.max_answer):
        chunk = await answer.chunk()
        if not chunk:
            return bytes(held), True
        held += chunk
    if len(held) > limits.max_answer:
        raise BadAnswerError(service, f"its answer is longer than {limits.max_answer} bytes")
    return bytes(held), False


class Whole(Response):
    """A short answer."""

    def __init__(self, status: int, fields: Headers, body: bytes) -> None:
        super().__init__(body, status)
        self.raw_headers = [*fields, *length_field(len(body))]


class Bodiless(Response):
    """An answer that is only a head; that of HEAD may tell the length of what GET would bring."""

    def __init__(self, status: int, fields: Headers, *, length: int | None) -> None:
        super().__init__(b"", status)
        self.raw_headers = [*fields, *length_field(None if status in _BODILESS else length)]


class Flowing(StreamingResponse):
    """A long answer or a stream: bytes leave as the client takes them, and are read no faster.

    The gateway watches it as it watches every StreamingResponse; whatever ends it early closes the connection to the
    service, and the one to the client, so that nobody takes half for the whole.
    """

    def __init__(self, service: str, answer: Answer, fields: Headers, *, limits: Limits, attempt: Attempt,  # noqa: PLR0913 - a stream's parts
                 body: ClientBody, beginning: bytes = b"", is_stream: bool) -> None:
        super().__init__((), answer.head.status)
        self.media_type = EVENT_STREAM if is_event_stream(answer.head) else None
        self.raw_headers = [*fields, *length_field(answer.head.length)]
        self._service, self._answer, self._limits, self._attempt = service, answer, limits, attempt
        self._body, self._beginning, self._is_stream = body, beginning, is_stream
        self._patience_s = limits.deadline_s - asyncio.get_running_loop().time()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del scope, receive
        try:
            await unless_left(self._body, self._flow(send))
        except BaseException:
            self._answer.drop()
            raise
        else:
            self._answer.release()
        finally:
            self._attempt.end()

    async def _flow(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sent = len(self._beginning)
        if self._beginning:
            await send({"type": "http.response.body", "body": self._beginning, "more_body": True})
        while chunk := await self._next():
            sent += len(chunk)
            if not self._is_stream and sent > self._limits.max_answer:
                raise CutOffError(self._service, f"its answer is longer than {self._limits.max_answer} bytes")
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        self._attempt.succeeded()

    async def _next(self) -> bytes:
        """Return the next bytes; only the time that the service takes counts, a client may read as it can."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            async with asyncio.timeout(self._limits.idle_s if self._is_stream else min(
                    self._limits.idle_s, self._patience_s)):
                return await self._answer.chunk()
        except TimeoutError as cause:
            self._attempt.failed("slow")
            raise TooSlowError(self._service) from cause
        except BrokenError as cause:
            self._attempt.failed("broken")
            raise CutOffError(self._service, str(cause)) from cause
        finally:
            self._patience_s -= loop.time() - began_s


def length_field(length: int | None) -> Headers:
    """Return the field Content-Length, if there is a length."""
    return [] if length is None else [(b"content-length", str(length).encode())]
