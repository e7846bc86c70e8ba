"""The alert queue over HTTP."""

from typing import Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from shared_kernel.clock import to_iso
from shared_kernel.context import context_of
from shared_kernel.errors import InvalidInputError, UnprocessableError
from shared_kernel.strict_json import parse_strict
from siem_rules.domain.alert import Status
from siem_rules.domain.errors import UnknownAlertError
from siem_rules.service.alert_queue import AlertQueue
from siem_rules.store.alerts import AlertFilter, StoredAlert

MAX_PAGE, DEFAULT_PAGE = 500, 50
_FILTERS = frozenset({"status", "severity", "rule", "limit", "before"})
_MAX_ORDINAL = 2**63 - 1


class StatusBody(msgspec.Struct, forbid_unknown_fields=True):
    """What moves an alert."""

    status: Status
    reason: str | None = None


class AlertRoutes:
    """Handlers over an AlertQueue."""

    def __init__(self, queue: AlertQueue) -> None:
        self._queue = queue

    async def find(self, request: Request) -> Response:
        """GET /api/v1/alerts."""
        query = request.query_params
        if unknown := set(query) - _FILTERS:
            raise InvalidInputError(f"unknown filter {min(unknown)!r}: use {', '.join(sorted(_FILTERS))}")
        limit = _whole(query.get("limit"), "limit", DEFAULT_PAGE, MAX_PAGE)
        before = _whole(query.get("before"), "before", None, _MAX_ORDINAL)
        found = await self._queue.find(
            AlertFilter(query.get("status"), query.get("severity"), query.get("rule"), before), limit or DEFAULT_PAGE,
        )
        full = len(found) == limit
        return _json({"items": [_summary(alert) for alert in found], "next": found[-1].ordinal if full else None})

    async def get(self, request: Request) -> Response:
        """GET /api/v1/alerts/{alert_id}."""
        return _json(_whole_alert(await self._queue.get(_alert_id(request))))

    async def change_status(self, request: Request) -> Response:
        """POST /api/v1/alerts/{alert_id}/status."""
        try:
            body = msgspec.convert(parse_strict(await request.body()), StatusBody)
        except msgspec.ValidationError as cause:
            raise UnprocessableError(f"the body is not a status change: {cause}") from cause
        changed = await self._queue.change_status(
            _alert_id(request), body.status, reason=body.reason, context=context_of(request.scope),
        )
        return _json(_whole_alert(changed))


def _alert_id(request: Request) -> str:
    alert_id = str(request.path_params["alert_id"])
    if "\x00" in alert_id:
        raise UnknownAlertError(alert_id)
    return alert_id


def _summary(alert: StoredAlert) -> dict[str, Any]:
    told = alert.event["grid"]["alert"]
    return {
        "id": alert.alert_id, "rule": alert.event["rule"], "severity": alert.severity, "status": alert.status,
        "owner": alert.owner, "raised_at": to_iso(alert.raised_at_us), "why": told["why"], "group": told["group"],
        "playbook": told["playbook"], "sealed_seq": alert.sealed_seq,
    }


def _whole_alert(alert: StoredAlert) -> dict[str, Any]:
    told = alert.event["grid"]["alert"]
    return _summary(alert) | {
        "reason": alert.reason, "changed_at": to_iso(alert.changed_at_us), "event": alert.event,
        "window_start": told["window_start"], "window_end": told["window_end"], "evidence": told["evidence"],
        "targets": told["targets"], "observed": told["observed"], "rule_text": alert.rule_text,
    }


def _whole(text: str | None, name: str, default: int | None, most: int) -> int | None:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20) or not 1 <= int(text) <= most:  # noqa: PLR2004 - digits of a bigint
        raise InvalidInputError(f"{name} must be a whole number from 1 to {most}")
    return int(text)


def _json(body: Any) -> Response:  # noqa: ANN401 - JSON is any JSON value
    return Response(orjson.dumps(body), media_type="application/json")
