"""What the control plane's own routes take and give: probes, metrics, decisions."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from shared_kernel.endpoint import Endpoint
from shared_kernel.operation import ANY, COUNT, MAYBE_TEXT, TEXT, TEXTS, Operation, listing, record

_HEALTH = record({"status": TEXT}, {"reasons": ANY, "notes": TEXTS}, "Health")
_DECISION = record(
    {"request_id": MAYBE_TEXT, "seq": COUNT, "decided_at": MAYBE_TEXT, "subject": ANY, "source_ip": MAYBE_TEXT,
     "resource": ANY, "path": MAYBE_TEXT, "action": MAYBE_TEXT, "allow": {"type": ["boolean", "null"]}, "reasons": {},
     "obligations": {}, "risk": {}, "risk_reasons": {}, "revision": MAYBE_TEXT, "purpose": MAYBE_TEXT},
    title="Decision")
_MARK = record({"genuine": {"type": "boolean"}}, {"request_id": TEXT, "subject": TEXT, "at": TEXT, "seq": COUNT,
                                                  "why": TEXT}, "Watermark")

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/health"): Operation("Whether we can serve", _HEALTH, also={503: _HEALTH}),
    ("GET", "/health/ready"): Operation("Whether we can serve", _HEALTH, also={503: _HEALTH}),
    ("GET", "/health/live"): Operation("Whether we run", _HEALTH),
    ("GET", "/metrics"): Operation("What Prometheus scrapes", "text/plain"),
    ("GET", "/api/v1/decisions"): Operation(
        "Decisions, newest first", listing(_DECISION), query={
            "before": COUNT, "limit": {"type": "integer", "minimum": 1, "maximum": 200}}),
    ("GET", "/api/v1/decisions/{request_id}"): Operation("Why one request was decided as it was", _DECISION),
    ("GET", "/api/v1/decisions/{request_id}/why"): Operation("What in the policy decided one request", ANY),
    ("POST", "/api/v1/watermarks/verify"): Operation(
        "Whether a mark found somewhere is ours, and whose answer it was in", _MARK,
        record({"watermark": {"type": "string", "maxLength": 512}})),
    ("WEBSOCKET", "/api/v1/decisions/stream"): Operation("Decisions as they are sealed, one JSON text each"),
}
_PASSED_ON = Operation("Passed on to a service, which describes itself", "*/*", "*/*")


def passed_on(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Return the routes of services behind the gateway; what they take and give is theirs to say."""
    return tuple(replace(each, operation=_PASSED_ON) for each in endpoints)
