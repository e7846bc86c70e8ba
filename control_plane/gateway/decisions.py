"""Why was I refused? Reads sealed decisions back, to the person they were about and to those who watch."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from shared_kernel.context import RequestContext, context_of
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import InvalidInputError, NotFoundError
from shared_kernel.events import EventReader, SealedEvent
from shared_kernel.principal import PrincipalKind, Role

ACTION = "access_decision"
MAX_PAGE = 200
_DEFAULT_PAGE = 50
_WATCHERS = frozenset({Role.AUDITOR, Role.SOC_ANALYST, Role.ADMIN})


class NoSuchDecisionError(NotFoundError):
    """No decision with this request id, or none of the caller's concern."""

    def __init__(self) -> None:
        super().__init__("there is no decision with this request id, or it is not yours to read")


class UnusablePageError(InvalidInputError):
    """`limit` or `before` is not a number in range."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} must be a whole number; limit from 1 to {MAX_PAGE}")


def endpoints(ledger: EventReader) -> tuple[Endpoint, ...]:
    """Return the decisions API."""

    async def read_one(request: Request) -> Response:
        found = await ledger.find(action=ACTION, request_id=request.path_params["request_id"], limit=1)
        if not found or not _may_read(context_of(request.scope), found[0]):
            raise NoSuchDecisionError
        return _json(explained(found[0]))

    async def read_all(request: Request) -> Response:
        limit = _number(request, "limit", _DEFAULT_PAGE)
        before = _number(request, "before", None)
        if not limit or limit > MAX_PAGE:
            raise UnusablePageError("limit")
        found = await ledger.find(action=ACTION, before=before, limit=limit)
        more = found[-1].seq if len(found) == limit else None
        return _json({"items": [explained(sealed) for sealed in found], "next": more})

    return (
        Endpoint("GET", "/api/v1/decisions", "decisions.read_all", read_all),
        Endpoint("GET", "/api/v1/decisions/{request_id}", "decisions.read", read_one),
    )


def explained(sealed: SealedEvent) -> dict[str, Any]:
    """Return a sealed decision in the words of the person it was about."""
    event = sealed.event
    grid: Mapping[str, Any] = event.get("grid", {})
    decision: Mapping[str, Any] = grid.get("decision", {})
    return {
        "request_id": event.get("http", {}).get("request", {}).get("id"), "seq": sealed.seq,
        "decided_at": event.get("@timestamp"), "subject": event.get("user", {}),
        "source_ip": event.get("source", {}).get("ip"), "resource": grid.get("resource", {}),
        "path": event.get("url", {}).get("path"),
        **{name: decision.get(name) for name in (
            "action", "allow", "reasons", "obligations", "risk", "risk_reasons", "revision", "purpose", "unfulfilled",
            "bundle_age_s", "ttl_s",
        )},
    }


def _may_read(context: RequestContext, sealed: SealedEvent) -> bool:
    """Anonymous decisions are about nobody in particular, so no stranger may read them."""
    principal = context.principal
    if principal.kind is PrincipalKind.ANONYMOUS:
        return False
    is_own = sealed.event.get("user", {}).get("id") == principal.subject
    return is_own or not _WATCHERS.isdisjoint(principal.roles)


def _number(request: Request, name: str, default: int | None) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18):  # noqa: PLR2004 - what fits a 64-bit position
        raise UnusablePageError(name)
    return int(text)


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
