"""The ledger's copies over HTTP: how they are, and their repair."""

from collections.abc import Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response

from audit_ledger.domain.archive.copies import UnknownCopyError
from audit_ledger.service.copies.mirror import Mirror
from audit_ledger.service.copies.repair import repair
from shared_kernel.clock import Clock
from shared_kernel.context import context_of
from shared_kernel.endpoint import Endpoint
from shared_kernel.events import Recorder


def endpoints(mirrors: Sequence[Mirror], recorder: Recorder, clock: Clock) -> tuple[Endpoint, ...]:
    """Return the routes."""
    known = {mirror.copy.name: mirror for mirror in mirrors}

    async def statuses(_request: Request) -> Response:
        return _json({"items": [(await mirror.status()).to_json() for mirror in mirrors]})

    async def repaired(request: Request) -> Response:
        """Answers when the copy is equal again; 409 says that it is being changed by others meanwhile."""
        name = str(request.path_params["name"])
        if name not in known:
            raise UnknownCopyError(name, list(known))
        outcome = await repair(known[name], recorder, clock, context=context_of(request.scope))
        return _json(outcome.to_json())

    return (
        Endpoint("GET", "/api/v1/ledger/copies", "ledger.read", statuses),
        Endpoint("POST", "/api/v1/ledger/copies/{name}/repair", "ledger.repair", repaired, max_body=0),
    )


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
