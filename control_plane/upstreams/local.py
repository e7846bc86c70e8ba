"""An ASGI application of this process in the place of a remote service: the same fields in, the same fields out.

It gets a scope of its own making, without the caller's credentials and without what the gateway keeps in its scopes.
What it raises, and what of its answer is not sound, is a 502 as from any service.
"""

import asyncio
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import unquote

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from control_plane.config import ConfigurationError
from control_plane.upstreams import answers
from control_plane.upstreams.assertion import Assertions
from control_plane.upstreams.errand import Errand, errand_of
from control_plane.upstreams.errors import BadAnswerError, CutOffError, TooSlowError
from control_plane.upstreams.fields import Head, UnusableHeadError, checked_head, from_service
from control_plane.upstreams.paths import Locations, PathMap
from control_plane.upstreams.plan import Route, Service
from shared_kernel.context import context_of
from shared_kernel.errors import GridwardenError

_log = structlog.get_logger("gridwarden.upstreams")


class UnusableApplicationError(ConfigurationError):
    """`app` names nothing that can be run."""

    def __init__(self, service: str, app: str, why: str) -> None:
        super().__init__(f"GRIDWARDEN_UPSTREAMS: the service {service} cannot run {app} ({why}): name an importable "
                         "module and an ASGI application in it")


def application_of(service: str, app: str) -> ASGIApp:
    """Return the application that `module:name` names; raise UnusableApplicationError."""
    module, _, name = app.partition(":")
    try:
        found = getattr(import_module(module), name)
    except Exception as cause:
        raise UnusableApplicationError(service, app, f"{type(cause).__name__}: {cause}") from cause
    if not callable(found):
        raise UnusableApplicationError(service, app, "it cannot be called")
    application: ASGIApp = found
    return application


@dataclass(frozen=True, slots=True)
class Resident:
    """A service that lives in this process."""

    name: str
    service: Service
    application: ASGIApp
    assertions: Assertions
    locations: Locations
    public_host: str
    state: dict[str, Any]

    @property
    def origin(self) -> str:
        """What the application may think it is called by."""
        return f"http://{self.public_host}"


class ResidentForwarder:
    """Answers one route by an application."""

    def __init__(self, resident: Resident, route: Route) -> None:
        self._resident, self._route = resident, route
        self._paths = PathMap(route.path, route.there)

    async def __call__(self, request: Request | WebSocket) -> Response | None:
        """Return what runs the application once it is sent; serve a websocket to its end."""
        resident, scope = self._resident, request.scope
        errand = errand_of(scope, request.receive, context_of(scope), service=resident.service, paths=self._paths,
                           public_host=resident.public_host, is_idempotent=False)
        errand.assertion = (await resident.assertions.about(
            errand.context, method=errand.method, path=errand.path, lifetime_s=errand.left_s())).encode()
        inner = _scope_of(scope, errand, resident)
        if isinstance(request, WebSocket):
            await resident.application(inner, request.receive, _guarded(request.send, resident, errand))
            return None
        return _Run(resident, errand, inner, is_stream=self._route.stream)


class _Run(StreamingResponse):
    """The application at work; the gateway watches it as it watches every StreamingResponse."""

    def __init__(self, resident: Resident, errand: Errand, scope: Scope, *, is_stream: bool) -> None:
        super().__init__(())
        self.media_type = answers.EVENT_STREAM if is_stream else None
        self._resident, self._errand, self._scope, self._is_stream = resident, errand, scope, is_stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run it."""
        name = self._resident.name
        answer = _Sound(send, self._resident, self._errand, is_stream=self._is_stream)
        try:
            async with asyncio.timeout_at(None if self._is_stream else self._errand.deadline_s):
                await self._resident.application(self._scope, receive, answer)
        except TimeoutError as cause:
            raise TooSlowError(name) from cause
        except GridwardenError:
            raise
        except Exception as cause:
            _log.exception("application_failed", service=name, request_id=self._errand.context.request_id)
            raise (CutOffError if answer.is_begun else BadAnswerError)(name, "it failed") from cause
        if not answer.is_ended:
            raise (CutOffError if answer.is_begun else BadAnswerError)(name, "it did not finish its answer")
        if answer.failure is not None:
            failure = answers.failure_of(name, answer.failure, self._errand.context.request_id)
            await failure(scope, receive, send)


class _Sound:
    """An application's send channel: only sound answers get through, in order."""

    def __init__(self, send: Send, resident: Resident, errand: Errand, *, is_stream: bool) -> None:
        self._send, self._resident, self._errand, self._is_stream = send, resident, errand, is_stream
        self._sent = 0
        self.failure: Head | None = None
        self.is_begun = self.is_ended = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self.is_begun:
            await self._begin(message)
        elif message["type"] == "http.response.body" and self.is_begun and not self.is_ended:
            await self._go_on(message)
        else:
            raise BadAnswerError(self._resident.name, "its answer is out of order")

    async def _begin(self, message: Message) -> None:
        resident, status = self._resident, message["status"]
        head = _checked(resident.name, status, message)
        if status >= answers.SERVER_ERROR:
            self.is_begun, self.failure = True, head
            return
        answers.refuse_refusal(resident.name, head)
        fields = answers.head_of(resident.name, head, cookies=resident.service.cookies,
                                 secrets=(self._errand.assertion,), locations=resident.locations,
                                 origin=resident.origin, path=self._errand.path)
        self.is_begun = True
        length = head.length if answers.has_body("GET", head) else None
        await self._send({"type": "http.response.start", "status": status,
                          "headers": [*fields, *answers.length_field(length)]})

    async def _go_on(self, message: Message) -> None:
        self.is_ended = not message.get("more_body", False)
        if self.failure is not None:
            return
        body = message.get("body", b"")
        self._sent += len(body)
        if not self._is_stream and self._sent > self._resident.service.max_answer:
            raise CutOffError(self._resident.name, "its answer is too long")
        await self._send({"type": "http.response.body", "body": body, "more_body": not self.is_ended})


def _scope_of(scope: Scope, errand: Errand, resident: Resident) -> Scope:
    """Return a scope of what an application may know."""
    fields = [(b"host", resident.public_host.encode()), *errand.outgoing().fields]
    if errand.length is not None:
        fields.append((b"content-length", str(errand.length).encode()))
    kept = ("type", "asgi", "http_version", "method", "scheme", "query_string", "client", "server", "subprotocols")
    return {**{name: scope[name] for name in kept if name in scope}, "path": unquote(errand.path),
            "raw_path": errand.path.encode("ascii"), "root_path": "", "headers": fields, "extensions": {},
            "state": dict(resident.state)}


def _guarded(send: Send, resident: Resident, errand: Errand) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "websocket.accept":
            message["headers"] = from_service(_checked(resident.name, 200, message).fields,
                                              cookies=resident.service.cookies,
                                              secrets=(errand.assertion,))
        await send(message)

    return guarded


def _checked(name: str, status: int, message: Message) -> Head:
    try:
        return checked_head(status, list(message.get("headers", ())))
    except (UnusableHeadError, TypeError, ValueError) as cause:
        raise BadAnswerError(name, str(cause)) from cause
