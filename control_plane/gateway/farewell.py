"""How a stream is ended that may no longer be: in its own words where it has any."""

from collections.abc import Awaitable, Callable

import orjson

from control_plane.continuous.streams import Ending
from control_plane.gateway.reply import Reply
from shared_kernel.errors import ForbiddenError

EVENT_STREAM = "text/event-stream"
_MAX_REASON_BYTES = 123
"""What fits a close frame beside its code (RFC 6455 section 5.5)."""

Farewell = Callable[[Reply, Ending], Awaitable[None]]


class StreamEndedError(ForbiddenError):
    """An answer was cut off: whoever asked for it may no longer have it."""


async def close_websocket(reply: Reply, ending: Ending) -> None:
    """Close with the code and the reason."""
    reason = ending.reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
    await reply({"type": "websocket.close", "code": ending.code, "reason": reason})


async def end_events(reply: Reply, ending: Ending) -> None:
    """Say why in a last event named `end`, whose `code` is that of a websocket; then end as HTTP ends."""
    _refuse_unstarted(reply, ending)
    event = orjson.dumps({"code": ending.code, "reason": ending.reason})
    await reply({"type": "http.response.body", "body": b"event: end\ndata: " + event + b"\n\n", "more_body": False})


async def abort(reply: Reply, ending: Ending) -> None:
    """Cut an answer off that cannot say so: what is missing at its end tells that it is not whole."""
    _refuse_unstarted(reply, ending)
    raise StreamEndedError(ending.reason)


def _refuse_unstarted(reply: Reply, ending: Ending) -> None:
    if not reply.status:
        raise StreamEndedError(ending.reason)
