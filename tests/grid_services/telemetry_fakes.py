"""Small real stand-ins around the telemetry's routes: a recorder that keeps, problems rendered as by a gateway."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared_kernel.errors import (
    ConflictError,
    ForbiddenError,
    GridwardenError,
    InvalidInputError,
    UnavailableError,
    UnprocessableError,
)
from shared_kernel.events import Event, Receipt

STATUSES = ((InvalidInputError, 400), (ForbiddenError, 403), (ConflictError, 409), (UnprocessableError, 422),
            (UnavailableError, 503))


class KeptRecorder:
    """Keeps events; refuses them while `down`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.down = False

    async def record(self, event: Event) -> Receipt:
        """Keep one event."""
        if self.down:
            raise UnavailableError("the ledger is down")
        self.events.append(event)
        return Receipt(len(self.events), b"")


async def problem(_request: Request, error: Exception) -> Response:
    status = next(code for family, code in STATUSES if isinstance(error, family))
    kind = error.kind if isinstance(error, GridwardenError) else ""
    return JSONResponse({"detail": str(error), "kind": kind}, status_code=status)
