"""Who outside vouches for the ledger: the witnesses of the policy, as last heard of."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from audit_ledger.service.witness.peer import WitnessStatus
from audit_ledger.service.witness.witnessing import Witnessing
from shared_kernel.clock import to_iso
from shared_kernel.endpoint import Endpoint


def endpoints(witnessing: Witnessing | None) -> tuple[Endpoint, ...]:
    """Return the route; without a policy the list is empty."""

    async def witnesses(_request: Request) -> Response:
        if witnessing is None:
            return _json({"items": [], "quorum_size": 0, "late_s": 0, "is_late": False})
        status = witnessing.status()
        return _json({"items": [_witness(each) for each in status.witnesses], "quorum_size": status.quorum_size,
                      "late_s": status.late_s, "is_late": status.is_late})

    return (Endpoint("GET", "/api/v1/ledger/witnesses", "ledger.read", witnesses),)


def _witness(each: WitnessStatus) -> dict[str, Any]:
    return {"name": each.name, "url": each.url, "size": each.size, "error": each.error, "doubt": each.doubt,
            "at": None if each.time_s is None else to_iso(each.time_s * 1_000_000)}


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
