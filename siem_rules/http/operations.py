"""What the house's routes take and give."""

from collections.abc import Mapping

from shared_kernel.operation import ANY, COUNT, MAYBE_TEXT, TEXT, TEXTS, TIME, Operation, listing, record
from siem_rules.domain.alert import Status
from siem_rules.http.alerts import MAX_PAGE, StatusBody

_STATUS = {"enum": [status.value for status in Status]}
_SUMMARY = {
    "id": TEXT, "rule": ANY, "severity": {"enum": ["low", "medium", "high", "critical"]}, "status": _STATUS,
    "owner": MAYBE_TEXT, "raised_at": TIME, "why": TEXT, "group": ANY, "playbook": MAYBE_TEXT,
    "sealed_seq": {"type": ["integer", "null"]},
}
_ALERT = record({
    **_SUMMARY, "reason": MAYBE_TEXT, "changed_at": TIME, "event": ANY, "window_start": TEXT, "window_end": TEXT,
    "evidence": {"type": "array"}, "targets": {}, "observed": {}, "rule_text": MAYBE_TEXT,
}, title="Alert")
_DETECTIONS = {"type": "array", "items": record({
    "name": TEXT, "title": TEXT, "uuid": MAYBE_TEXT, "severity": TEXT, "techniques": TEXTS, "description": TEXT,
    "triage": TEXT, "playbook": MAYBE_TEXT})}
_RULE = {"id": TEXT, "file": TEXT, "detections": _DETECTIONS}
_DETECTION = record({
    "sources": {"type": "array", "items": record(
        {"source": TEXT, "next_seq": COUNT, "late_events": COUNT, "watermark": MAYBE_TEXT})},
    "rules": record({"loaded": COUNT, "broken": {"type": "array", "items": record({"file": TEXT, "reason": TEXT})}}),
    "rule_errors": ANY, "open_groups": COUNT,
}, title="Detection")

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/api/v1/alerts"): Operation(
        "Alerts, newest first", listing(record(_SUMMARY, title="AlertSummary")), query={
            "status": _STATUS, "severity": _SUMMARY["severity"], "rule": TEXT, "before": {**COUNT, "minimum": 1},
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE}}),
    ("GET", "/api/v1/alerts/{alert_id}"): Operation("One alert with its evidence", _ALERT),
    ("POST", "/api/v1/alerts/{alert_id}/status"): Operation("Take an alert, close it, open it again", _ALERT,
                                                            StatusBody),
    ("GET", "/api/v1/rules"): Operation("The rules that are loaded", listing(record(_RULE, title="RuleSummary"))),
    ("GET", "/api/v1/rules/{rule_id}"): Operation(
        "One rule as it is written", record({**_RULE, "text": TEXT, "fingerprint": TEXT}, title="Rule")),
    ("GET", "/api/v1/detection/status"): Operation("How far detection is, and what is broken", _DETECTION),
}
