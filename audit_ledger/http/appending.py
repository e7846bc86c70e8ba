"""Appending for services, and the receipt they may keep: a self-contained C2SP tlog-proof."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from audit_ledger.service.intake import Intake
from shared_kernel.context import context_of
from shared_kernel.endpoint import Endpoint
from shared_kernel.strict_json import parse_strict

MAX_EVENT = 65_535


def endpoints(intake: Intake) -> tuple[Endpoint, ...]:
    """Return the route."""

    async def append(request: Request) -> Response:
        appended = await intake.append(
            parse_strict(await request.body()), context=context_of(request.scope),
            key=request.headers.get("idempotency-key"))
        receipt = appended.receipt
        place = f"/api/v1/ledger/entries/{receipt.seq}"
        body = {"seq": receipt.seq, "entry_hash": receipt.entry_hash.hex(), "entry": place,
                "receipt": f"{place}/receipt", "repeated": appended.is_repeat}
        return Response(orjson.dumps(body), 200 if appended.is_repeat else 201, {"location": place},
                        media_type="application/json")

    return (Endpoint("POST", "/api/v1/ledger/entries", "ledger.append", append, max_body=MAX_EVENT),)
