"""Erasing a subject's sealed fields over HTTP, and what was erased so far."""

from typing import Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from audit_ledger.domain.privacy.erasures import told_in
from audit_ledger.service.privacy.erasure import Erasure
from shared_kernel.clock import to_iso
from shared_kernel.context import context_of
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import InvalidInputError, UnprocessableError
from shared_kernel.events import SealedEvent
from shared_kernel.strict_json import parse_strict

MAX_BODY = 8_192
PAGE = 100
_MAX_DIGITS = 18


class ErasureBody(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to erase, by the `user.id` of their entries, and why."""

    subject: str
    reason: str


def endpoints(erasure: Erasure) -> tuple[Endpoint, ...]:
    """Return the routes."""

    async def erase(request: Request) -> Response:
        try:
            body = msgspec.convert(parse_strict(await request.body()), ErasureBody)
        except msgspec.ValidationError as cause:
            raise UnprocessableError(f"the body is not an erasure: {cause}") from cause
        done = await erasure.erase(body.subject, reason=body.reason, context=context_of(request.scope))
        return _json({"subject": done.subject, "keys": done.keys, "entries": done.entries})

    async def past(request: Request) -> Response:
        """Newest first, a hundred a page."""
        found = await erasure.past(_before(request.query_params.get("before")), PAGE)
        return _json({"items": [_erasure(each) for each in found],
                      "next": found[-1].seq if len(found) == PAGE else None})

    return (
        Endpoint("POST", "/api/v1/ledger/erasures", "ledger.erase", erase, max_body=MAX_BODY),
        Endpoint("GET", "/api/v1/ledger/erasures", "ledger.read", past),
    )


def _erasure(sealed: SealedEvent) -> dict[str, Any]:
    """Return one erasure; an entry that was damaged tells nothing, verification names it."""
    told = told_in(sealed.event)
    who = sealed.event.get("user") if told else None
    return {"seq": sealed.seq, "recorded_at": to_iso(sealed.recorded_at_us), "subject": told.get("subject"),
            "keys": told.get("keys", []), "entries": told.get("entries"),
            "reason": sealed.event["event"].get("reason") if told else None,
            "by": who.get("id") if isinstance(who, dict) else None}


def _before(given: str | None) -> int | None:
    if given is None:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) <= _MAX_DIGITS):
        raise InvalidInputError(f"before is a plain decimal number, not {given[:40]!r}")
    return int(given)


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
