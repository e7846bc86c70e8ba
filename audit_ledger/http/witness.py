"""A witness over HTTP: POST /add-checkpoint as C2SP tlog-witness says, and GET /metrics.

A server of its own, outside the gateway: whoever holds a checkpoint signed by a known log may ask.
"""

import asyncio
from collections.abc import Mapping

from prometheus_client import generate_latest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from audit_ledger.domain.c2sp.add_checkpoint import (
    MAX_REQUEST_BYTES,
    InconsistentTreeError,
    OutdatedSizeError,
    TwoTreesError,
)
from audit_ledger.domain.errors import MalformedNoteError
from audit_ledger.service import metrics
from audit_ledger.service.witness.witness import UnknownOriginError, UnsignedCheckpointError, Witness
from shared_kernel.errors import GridwardenError, TooLargeError, UnavailableError

_STATUS: Mapping[type[GridwardenError], int] = {
    MalformedNoteError: 400, UnsignedCheckpointError: 403, UnknownOriginError: 404, OutdatedSizeError: 409,
    TwoTreesError: 409, TooLargeError: 413, InconsistentTreeError: 422, UnavailableError: 503,
}
_SIZE_TYPE = "text/x.tlog.size"
_BODY_DEADLINE_S = 10.0


def witness_app(witness: Witness) -> Starlette:
    """Return the application that serves one witness."""

    async def add_checkpoint(request: Request) -> Response:
        try:
            answer = PlainTextResponse(await witness.add_checkpoint(await _body(request)))
        except GridwardenError as refusal:
            answer = _refused(refusal)
        metrics.WITNESS_ANSWERS.labels(status=answer.status_code).inc()
        return answer

    async def figures(_request: Request) -> Response:
        return Response(generate_latest(), media_type="text/plain; version=0.0.4")

    return Starlette(routes=[Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
                             Route("/metrics", figures, methods=["GET"])])


def _refused(refusal: GridwardenError) -> PlainTextResponse:
    status = next(status for family, status in _STATUS.items() if isinstance(refusal, family))
    if isinstance(refusal, OutdatedSizeError):
        return PlainTextResponse(f"{refusal.size}\n", status, {"content-type": _SIZE_TYPE})
    return PlainTextResponse(f"{refusal.detail}\n", status)


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(_BODY_DEADLINE_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_REQUEST_BYTES:
                    raise TooLargeError(f"a request to a witness has at most {MAX_REQUEST_BYTES} bytes")
    except (ClientDisconnect, TimeoutError) as cause:
        raise MalformedNoteError("the request did not arrive whole") from cause
    return body
