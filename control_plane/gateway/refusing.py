"""How a request that goes no further is answered: whatever was raised becomes one RFC 9457 problem, sent once."""

from http import HTTPStatus

import structlog
from starlette.types import Message, Scope

from control_plane.gateway import metrics
from control_plane.gateway.canonical_path import PathRefusedError
from control_plane.gateway.verdict import UNKNOWN_ACTION
from control_plane.gateway.visit import Visit
from control_plane.problems import Problem, problem_of
from shared_kernel.errors import InvalidInputError

_WS_INTERNAL_ERROR, _WS_POLICY_VIOLATION, _WS_TRY_AGAIN_LATER = 1011, 1008, 1013
_log = structlog.get_logger("gridwarden.gateway")


async def refuse(error: Exception, scope: Scope, visit: Visit) -> None:
    """Answer with what an error amounts to; raise it again where the answer had begun, so that the server hangs up."""
    problem = problem_of(error)
    if problem.status >= 500 and problem.kind == "internal":  # noqa: PLR2004 - a fault of ours, not a refusal
        _log.error("handler_failed", request_id=visit.request_id, action=visit.action, exc_info=error)
    if isinstance(error, InvalidInputError) and visit.action == UNKNOWN_ACTION:
        metrics.REFUSED.labels(error.reason if isinstance(error, PathRefusedError) else error.kind).inc()
    if not visit.reply.status:
        await _answer(problem, scope, visit)
    elif scope["type"] == "websocket":
        is_away = problem.status == HTTPStatus.SERVICE_UNAVAILABLE
        await visit.reply({"type": "websocket.close", "code": _WS_TRY_AGAIN_LATER if is_away else _WS_INTERNAL_ERROR})
    else:
        raise error


async def _answer(problem: Problem, scope: Scope, visit: Visit) -> None:
    """Send a problem; a websocket is refused before it is accepted, with the same words where the server can."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        visit.reply.status = problem.status
        await visit.reply({"type": "websocket.close", "code": _WS_POLICY_VIOLATION})
        return
    response = problem.response(request_id=visit.request_id, instance=visit.path or None)
    if problem.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        response.headers["connection"] = "close"
    await response(scope, _nothing_more, visit.reply)


async def _nothing_more() -> Message:
    return {"type": "http.disconnect"}
