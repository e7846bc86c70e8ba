"""What the tests of this house share: a recorder that keeps a list, contexts of people, and an app with the routes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared_kernel.context import RequestContext, put_context
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import GridwardenError, UnavailableError
from shared_kernel.events import Event, Receipt, SealedEvent
from shared_kernel.principal import Principal, PrincipalKind

KEY = b"k" * 32


@dataclass
class Ledger:
    """Keeps events in a list, in order; silent when told."""

    events: list[Event] = field(default_factory=list)
    is_down: bool = False

    async def record(self, event: Event) -> Receipt:
        """Keep one event."""
        if self.is_down:
            raise UnavailableError("the ledger cannot write")
        self.events.append(event)
        return Receipt(len(self.events) - 1, b"")

    async def find(  # noqa: PLR0913 - the protocol's own shape
        self, *, action: str | None = None, subject: str | None = None, request_id: str | None = None,
        dataset: str | None = None, before: int | None = None, limit: int = 100,
    ) -> list[SealedEvent]:
        """Answer newest first."""
        def matches(seq: int, event: Event) -> bool:
            return all((
                action is None or event["event"]["action"] == action,
                subject is None or event["user"]["id"] == subject,
                request_id is None or event["http"]["request"]["id"] == request_id,
                dataset is None or event["grid"].get("data", {}).get("dataset") == dataset,
                before is None or seq < before,
            ))

        found = [SealedEvent(seq, 0, event) for seq, event in enumerate(self.events) if matches(seq, event)]
        return found[::-1][:limit]


def person(name: str, *roles: str) -> Principal:
    """Return a person."""
    return Principal(f"id-{name}", name, PrincipalKind.PERSON, frozenset(roles))


def permitted(
    name: str, role: str, *, masks: object = (), purpose: str | None = None, permit: int | None = 7,
) -> RequestContext:
    """Return the context of a permitted request, whose decision demands `masks`."""
    return RequestContext(
        "request-1", person(name, role), purpose=purpose, permit=permit, obligations={"mask": {"columns": masks}},
    )


_STATUSES = {"invalid-input": 400, "forbidden": 403, "not-found": 404, "unprocessable": 422, "unavailable": 503}


def client_of(endpoints: tuple[Endpoint, ...], context: RequestContext) -> httpx.AsyncClient:
    """Return a client of an app that serves `endpoints` to one caller."""
    routes = [Route(e.path, _as(e.handler, context), methods=[e.method]) for e in endpoints]
    app = Starlette(routes=routes, exception_handlers={GridwardenError: _problem})
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://governance")


def _as(handler: Callable[[Any], Awaitable[Any]], context: RequestContext) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        put_context(request.scope, context)
        answer: Response = await handler(request)
        return answer

    return serve


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, GridwardenError)
    return JSONResponse({"detail": error.detail}, _STATUSES[error.kind])
