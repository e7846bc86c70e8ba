"""GET the bundles published last, POST a signed one to let it decide in every process."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.domain.lease import Published
from policy_engine.service.publishing import Publisher
from shared_kernel.clock import to_iso
from shared_kernel.context import context_of
from shared_kernel.endpoint import Endpoint

MAX_ARCHIVE = 8 * 2**20
PATH = "/api/v1/policy/bundles"


def bundle_endpoints(publisher: Publisher) -> tuple[Endpoint, ...]:
    """Return the routes."""

    async def show(_: Request) -> Response:
        return _json({"items": [_told(each) for each in await publisher.published()], "next": None})

    async def publish(request: Request) -> Response:
        return _json(_told(await publisher.publish(await request.body(), context_of(request.scope))), 201)

    return (
        Endpoint("GET", PATH, "policy.read", show),
        Endpoint("POST", PATH, "policy.publish", publish, max_body=MAX_ARCHIVE),
    )


def _told(bundle: Published) -> dict[str, Any]:
    return {
        "version": bundle.version, "revision": bundle.revision, "name": bundle.name, "sequence": bundle.sequence,
        "built_at": to_iso(bundle.built_at_us), "published_by": bundle.published_by,
        "published_at": to_iso(bundle.published_at_us), "active_from": to_iso(bundle.active_from_us),
    }


def _json(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
