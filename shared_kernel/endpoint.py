"""A route that names its action: what a house offers and the gateway protects."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

Handler = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path, one method, one action.

    `path` is Starlette's syntax (`/api/v1/alerts/{alert_id}`); `method` an HTTP verb or "WEBSOCKET".
    `action` is what policy decides on, `house.verb` (`alerts.read`). `dataset` names the catalogued data it serves.
    `handler` takes a Starlette Request (or WebSocket) and returns a Response.
    `max_body` caps the request body in bytes. `probe` marks liveness and readiness, the only routes
    answered without identity, policy and ledger, because they must tell when those are down.
    """

    method: str
    path: str
    action: str
    handler: Handler
    dataset: str | None = None
    max_body: int = 65_536
    probe: bool = False
