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
    `own_credentials` marks the endpoints of a protocol that authenticates its callers itself (OAuth clients, tokens
    of registration): the handler proves `RequestContext.credentials` and seals what it does; policy decides as about
    a stranger, and its *yes* may be a second old and is not sealed once more.
    `echoes_request_id` marks routes of a protocol whose callers name their requests (`X-Request-ID`) and want the name
    back in the answer.
    `fulfils` names the obligations (shared_kernel/obligations.py) that the route's data path carries out; a decision
    that demands another is refused. Those every route can fulfil the enforcement point fulfils itself.
    `operation` says what it takes and gives (shared_kernel/operation.py).
    """

    method: str
    path: str
    action: str
    handler: Handler
    dataset: str | None = None
    max_body: int = 65_536
    probe: bool = False
    own_credentials: bool = False
    echoes_request_id: bool = False
    fulfils: frozenset[str] = frozenset()
    operation: Any = None
