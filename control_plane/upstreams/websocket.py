"""A websocket through to a service: opened there first, then here; messages go both ways with backpressure.

The gateway watches the handler as every stream: what it cancels is closed at the service too, without waiting for it.
"""

import asyncio
from typing import Any

import structlog
from aiohttp import ClientWebSocketResponse, WSMsgType
from starlette.websockets import WebSocket

from control_plane.upstreams.client import BrokenError, UnreachableError
from control_plane.upstreams.errand import Errand, errand_of
from control_plane.upstreams.errors import BadAnswerError, NoTargetError, TooSlowError
from control_plane.upstreams.forwarding import Remote
from control_plane.upstreams.paths import PathMap
from control_plane.upstreams.plan import Route
from control_plane.upstreams.targets import Attempt, Target
from shared_kernel.context import context_of

MAX_MESSAGE_BYTES = 1 << 20
NORMAL, GOING_AWAY, INTERNAL_ERROR = 1000, 1001, 1011
_PASSED_ON = frozenset({1000, 1001, 1003, 1007, 1008, 1009, 1012, 1013})
_OURS = frozenset({4401, 4403})
_APPLICATION = range(3000, 5000)
_MAX_REASON_BYTES = 123
_log = structlog.get_logger("gridwarden.upstreams")
_closing: set[asyncio.Task[Any]] = set()


class WebsocketForwarder:
    """Answers one websocket route by one service."""

    def __init__(self, remote: Remote, route: Route) -> None:
        self._remote, self._route = remote, route
        self._paths = PathMap(route.path, route.there)

    async def __call__(self, websocket: WebSocket) -> None:
        """Serve until one side ends; raise what the gateway renders while it has not been accepted."""
        remote, context = self._remote, context_of(websocket.scope)
        errand = errand_of(websocket.scope, websocket.receive, context, service=remote.service, paths=self._paths,
                           public_host=remote.public_host, is_idempotent=False)
        errand.assertion = (await remote.assertions.about(
            context, method="GET", path=errand.path, lifetime_s=errand.left_s())).encode()
        attempt, there = await self._opened(errand, tuple(websocket.scope.get("subprotocols", ())))
        try:
            await websocket.accept(there.protocol)
            await _exchange(websocket, there, attempt)
        finally:
            _close_soon(there)
            attempt.end()

    async def _opened(self, errand: Errand, protocols: tuple[str, ...]) -> tuple[Attempt, ClientWebSocketResponse]:
        """Open at the first target that can be reached; raise NoTargetError, TooSlowError, BadAnswerError."""
        remote, tried = self._remote, list[Target]()
        while True:
            attempt = remote.targets.choose(tried, others_only=bool(tried))
            if attempt is None:
                raise NoTargetError(remote.name, remote.targets.retry_after_s())
            tried.append(attempt.target)
            try:
                there = await self._open(errand, attempt, protocols)
            except NoTargetError:
                attempt.end()
            except BaseException:
                attempt.end()
                raise
            else:
                attempt.succeeded()
                return attempt, there

    async def _open(self, errand: Errand, attempt: Attempt, protocols: tuple[str, ...]) -> ClientWebSocketResponse:
        name = self._remote.name
        try:
            async with asyncio.timeout(errand.left_s()):
                return await self._remote.client.open_websocket(
                    attempt.target.address, errand.outgoing(), protocols=protocols, max_message=MAX_MESSAGE_BYTES)
        except UnreachableError as cause:
            attempt.failed("unreachable")
            raise NoTargetError(name) from cause
        except TimeoutError as cause:
            attempt.failed("slow")
            raise TooSlowError(name) from cause
        except BrokenError as cause:
            attempt.failed("broken")
            raise BadAnswerError(name, "it did not open the websocket") from cause


async def _exchange(websocket: WebSocket, there: ClientWebSocketResponse, attempt: Attempt) -> None:
    """Carry messages both ways until one side ends, then tell the other."""
    towards = asyncio.create_task(_towards(websocket, there))
    back = asyncio.create_task(_back(websocket, there))
    try:
        await asyncio.wait((towards, back), return_when=asyncio.FIRST_COMPLETED)
        if back.done() and not towards.done():
            code, reason = back.result()
            await websocket.close(code, reason)
    except OSError as error:
        _log.info("websocket_broke", service=attempt.service, error=type(error).__name__)
    finally:
        for task in (towards, back):
            task.cancel()
        await asyncio.gather(towards, back, return_exceptions=True)


async def _towards(websocket: WebSocket, there: ClientWebSocketResponse) -> None:
    """Carry the client's messages to the service, until the client leaves."""
    while (message := await websocket.receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await there.send_str(message["text"])
        else:
            await there.send_bytes(message["bytes"])


async def _back(websocket: WebSocket, there: ClientWebSocketResponse) -> tuple[int, str]:
    """Carry the service's messages to the client; return how the service ended."""
    while True:
        message = await there.receive()
        if message.type is WSMsgType.TEXT:
            await websocket.send_text(message.data)
        elif message.type is WSMsgType.BINARY:
            await websocket.send_bytes(message.data)
        elif message.type is WSMsgType.CLOSE:
            return _farewell(message.data, message.extra)
        else:
            return INTERNAL_ERROR, ""


def _farewell(code: int | None, reason: str | None) -> tuple[int, str]:
    """Return a service's close code for our client; codes with which the gateway speaks are the gateway's alone.

    A farewell without a code (RFC 6455 section 7.1.5), as a browser's `close()` says it, is a normal end.
    """
    if not code:
        return NORMAL, ""
    if code in _PASSED_ON or (code in _APPLICATION and code not in _OURS):
        return int(code or 0), (reason or "").encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
    return INTERNAL_ERROR, ""


def _close_soon(there: ClientWebSocketResponse) -> None:
    """Close at the service without waiting for its farewell."""
    task = asyncio.create_task(there.close(code=GOING_AWAY))
    _closing.add(task)
    task.add_done_callback(_closing.discard)
