"""GET /openapi.json: the document, made again when the policy changes.

It is open to everyone (`api.describe`): it holds no secret that the source does not, a client needs it before it has a
token, and what protects a route is the decision, not that nobody knows of it.
"""

from collections.abc import Callable, Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response

from control_plane.openapi.audience import Audience
from control_plane.openapi.document import document
from shared_kernel.endpoint import Endpoint
from shared_kernel.operation import ANY, Operation

PATH, ACTION = "/openapi.json", "api.describe"
MAX_AGE_S = 60


def with_description(
    endpoints: Sequence[Endpoint], audience: Callable[[], Audience], *, version: str, origin: str,
) -> tuple[Endpoint, ...]:
    """Return the endpoints and one more, which describes all of them."""
    made: dict[str, bytes] = {}

    async def describe(_request: Request) -> Response:
        current = audience()
        if current.revision not in made:
            made.clear()
            made[current.revision] = orjson.dumps(document(every, current, version=version, origin=origin))
        return Response(made[current.revision], media_type="application/json",
                        headers={"Cache-Control": f"public, max-age={MAX_AGE_S}"})

    says = Operation("This document", gives=ANY)
    every = (*endpoints, Endpoint("GET", PATH, ACTION, describe, max_body=0, operation=says))
    return every
