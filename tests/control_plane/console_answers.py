"""What the real gateway answers, route by route; where a house can make its own answer, it does."""

from typing import Any

from starlette.responses import PlainTextResponse, Response

from audit_ledger.domain.audit.finding import Finding, Kind, Mode, Report
from control_plane.gateway.decisions import explained
from shared_kernel.events import SealedEvent
from siem_rules.domain.alert import Status

RUN_ID, ALERT_ID, HASH = "0199a000-0000-7000-8000-000000000001", "5f6c1d0a-77c2-5c1e-9a40-6f0a1f0e7a5e", "ab" * 32
AT = "2026-11-21T07:00:00.000000Z"
LOGIN: dict[str, Any] = {
    "@timestamp": AT, "event": {"action": "user_login", "outcome": "failure", "reason": "bad_credentials"},
    "user": {"name": "vera.viewer", "id": None}, "source": {"ip": "203.0.113.9"},
}


def entry(seq: int, event: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a ledger entry."""
    return {"seq": seq, "recorded_at": AT, "prev_hash": "00" * 32, "entry_hash": HASH,
            "event": LOGIN if event is None else event}


def report(*findings: Finding, mode: Mode = Mode.ANCHORED) -> dict[str, Any]:
    """Return a verification report."""
    return Report(
        stream="grid.example/ledger", size=120_000, since=0, root=b"\x01" * 32, mode=mode, stale=None,
        findings=findings, dropped_findings=0, checkpoints_good=3, anchored_size=119_900, holds_to=119_900,
        duration_ms=4_321,
    ).to_json()


EDITED = Finding(Kind.EDITED, 7, 7, "the payload does not have the hash it was sealed with", "user_login", AT)
LOST = Finding(Kind.MISSING, 9, 12, "these entries are gone")


def alert(**changes: Any) -> dict[str, Any]:
    """Return a whole alert."""
    group = {"source.ip": "203.0.113.9"}
    return {
        "id": ALERT_ID, "rule": {"id": "GR-001", "name": "Credential stuffing"}, "severity": "high",
        "status": Status.NEW.value, "owner": None, "raised_at": AT, "group": group, "playbook": "lock-account",
        "why": "GR-001 (Credential stuffing): 12 within 60 s for source.ip=203.0.113.9 (threshold 10).",
        "sealed_seq": 42, "reason": None, "changed_at": AT, "window_start": AT, "window_end": AT,
        "evidence": [{"source": "ledger", "seq": 3}, {"source": "bus:smartgrid-meters", "seq": 9}],
        "targets": {"user.name": ["vera.viewer"]}, "observed": {"user.name": ["a", "b"]}, "rule_text": "title: x\n",
        "event": {"event": {"action": "alert_raised"}, "grid": {"alert": {"detection": "stuffing"}}},
    } | changes


def summary_of(whole: dict[str, Any]) -> dict[str, Any]:
    """Return an alert as the list shows it."""
    names = ("id", "rule", "severity", "status", "owner", "raised_at", "why", "group", "playbook", "sealed_seq")
    return {name: whole[name] for name in names}


def run(**changes: Any) -> dict[str, Any]:
    """Return a whole run."""
    return {
        "run_id": RUN_ID, "number": 1, "playbook": "quarantine-meter", "status": "waiting_approval",
        "reason": "it lies", "targets": ["meter-7"], "version_hash": HASH,
        "requested_by": {"id": "u-9", "name": "olta.operator"}, "alert": {"id": ALERT_ID, "seq": 42},
        "created_at": AT, "finished_at": None, "plan": {"hash": HASH, "calls": 1},
        "steps": [{"step": "quarantine", "connector": "meters.quarantine", "target": "meter-7", "params": {},
                   "position": 0, "state": "planned", "attempts": 0, "error": None, "result": None,
                   "intended_at": None, "finished_at": None}],
        "approval": {"state": "pending", "plan_hash": HASH, "requested_by": "u-9", "expires_at": AT,
                     "decided_by": None, "decided_by_name": None, "decided_at": None, "comment": None},
        "journal": [{"seq": 1, "at": AT, "position": None, "what": "approval_requested", "detail": None},
                    {"seq": 2, "at": AT, "position": 0, "what": "step_planned", "detail": {"a": 1}}],
        "playbook_content": None,
    } | changes


PLAYBOOK: dict[str, Any] = {
    "name": "quarantine-meter", "source": "package", "problem": None, "title": "Quarantine a meter",
    "description": "Its readings are refused.", "version_hash": HASH, "approval": "required", "rules": ["GR-007"],
    "people": True, "max_targets": 5, "target_field": "meter.id", "steps": [{"name": "quarantine", "connector": "m"}],
}
BROKEN_PLAYBOOK: dict[str, Any] = {"name": "bad", "source": "folder", "problem": "line 3: no such connector"}
DECISION = explained(SealedEvent(5, 1_795_000_000_000_000, {
    "@timestamp": AT, "event": {"action": "access_decision", "outcome": "failure"},
    "user": {"id": "u-1", "name": "vera.viewer", "roles": ["grid_viewer"]}, "source": {"ip": "127.0.0.1"},
    "http": {"request": {"id": "0199-req", "method": "GET"}}, "url": {"path": "/api/v1/customers"},
    "grid": {"resource": {"dataset": "grid.customers", "path": "/api/v1/customers", "method": "GET"},
             "decision": {"allow": False, "reasons": ["the label RESTRICTED is above your clearance INTERNAL"],
                          "obligations": {}, "revision": HASH, "action": "customers.read", "risk": 12,
                          "risk_reasons": ["unusual hour"]}},
}))
STRANGER = explained(SealedEvent(6, 1_795_000_000_000_000, {}))
DATASET: dict[str, Any] = {
    "name": "grid.meter_readings", "title": "Meter readings", "classification": "INTERNAL", "provenance": "simulated",
    "description": "What meters said.", "source": None, "attribution": None,
    "columns": [{"name": "customer_id", "classification": "RESTRICTED", "categories": ["personal"], "mask": "hash"},
                {"name": "kwh", "classification": "INTERNAL", "categories": [], "mask": None}],
}


def lineage(*nodes: tuple[str, int]) -> dict[str, Any]:
    """Return a lineage answer around the meter readings."""
    return {
        "dataset": "grid.meter_readings",
        "nodes": [{"name": name, "distance": distance, "classification": "INTERNAL"} for name, distance in nodes],
        "edges": [{"job": "windows", "grain": "dataset", "source": "grid.meter_readings", "target": "grid.agg"},
                  {"job": "windows", "grain": "column", "source": "grid.meter_readings.kwh", "target": "grid.agg.kwh"}],
        "runs": [{"job": "windows", "inputs": ["grid.meter_readings"], "outputs": ["grid.agg"], "times": 3,
                  "first_at": AT, "last_at": AT}],
    }


ACCESSES: list[dict[str, Any]] = [
    {"seq": 11, "at": AT, "outcome": "success", "reason": None, "source_ip": "127.0.0.1", "request_id": "0199-req",
     "person": {"id": "u-1", "name": "vera.viewer", "roles": ["grid_viewer"]}, "dataset": "grid.meter_readings",
     "classification": "INTERNAL", "columns": ["customer_id", "kwh"], "masks": {"customer_id": "hash"}, "rows": 20,
     "purpose": None, "permit": 10},
    {"seq": 12, "at": AT, "outcome": "failure", "reason": "no permit", "source_ip": None, "request_id": None,
     "person": {"id": None, "name": None, "roles": []}},
]
SCORE = {"hours": 700, "operator": 3.9, "naive_week": 8.2, "without_operator": 4.4, "with_operator": None,
         "coverage_without_operator": 0.8, "coverage_with_operator": None}
HOURS: list[dict[str, Any]] = [
    {"hour": f"2025-01-01T0{hour}:00:00Z", "actual_mw": None if hour == 3 else 1200.5 + hour,
     "operator_forecast_mw": 1210.0, "forecast_p10_mw": None, "forecast_p50_mw": None, "forecast_p90_mw": None,
     "quality": "zero" if hour == 3 else "ok"} for hour in range(6)
]

SESSIONS: list[dict[str, Any]] = [
    {"id": "s/1", "user": {"id": "u-1", "name": "vera <viewer>"}, "user_agent": "Firefox <script>" * 9,
     "source_ip": "203.0.113.9", "place": {"city": "Prishtina", "country": "XK"}, "amr": ["pwd", "otp"],
     "created_at": AT, "seen_at": AT, "signed_in_at": AT, "expires_at": AT, "applications": ["console"]},
    {"id": "s-2", "user": {"id": "u-2", "name": "olta"}, "user_agent": "", "source_ip": "", "place": {}, "amr": [],
     "created_at": AT, "seen_at": AT, "signed_in_at": AT, "expires_at": AT, "applications": []},
]

ANSWERS: dict[str, Any] = {
    "GET /api/v1/analytics/forecast/backtest": {
        "training": {}, "unit": "percent", "next": None,
        "items": [{"period": "2025-01", **SCORE}, {"period": "total", **SCORE}]},
    "GET /api/v1/analytics/load/comparison": {"from": AT, "to": AT, "variant": "x", "items": HOURS, "next": None},
    "GET /api/v1/alerts": {"items": [summary_of(alert())], "next": 7},
    f"GET /api/v1/alerts/{ALERT_ID}": alert(),
    f"POST /api/v1/alerts/{ALERT_ID}/status": alert(status="Closed"),
    "GET /api/v1/rules/GR-001": {"id": "GR-001", "file": "GR-001", "text": "", "fingerprint": HASH, "detections": [
        {"name": "other", "title": "", "uuid": None, "severity": "low", "techniques": [], "description": None,
         "triage": "the wrong advice", "playbook": None},
        {"name": "stuffing", "title": "", "uuid": None, "severity": "high", "techniques": ["T1110.004"],
         "description": None, "triage": "Look at the address first.", "playbook": "lock-account"}]},
    "GET /api/v1/ledger/entries/3": entry(3),
    "GET /api/v1/ledger/entries/3/proof": {"seq": 3, "size": 8, "leaf_hash": HASH, "root": HASH, "path": [HASH, HASH]},
    "GET /api/v1/playbooks": {"items": [PLAYBOOK, BROKEN_PLAYBOOK], "next": None, "kill_switches": [
        {"scope": "global", "on": True, "by": "admin", "reason": "a test", "at": AT},
        {"scope": "playbook:x", "on": False, "by": "admin", "reason": "over", "at": AT}]},
    "GET /api/v1/playbooks/runs": {"items": [run()], "next": None},
    f"GET /api/v1/playbooks/runs/{RUN_ID}": run(),
    f"POST /api/v1/playbooks/runs/{RUN_ID}/approve": run(status="ready"),
    f"POST /api/v1/playbooks/runs/{RUN_ID}/deny": run(status="denied"),
    "POST /api/v1/playbooks/quarantine-meter/runs": run(),
    "POST /api/v1/playbooks/kill-switch": {"scope": "global", "on": False, "by": "a", "reason": "over", "at": AT},
    "GET /api/v1/ledger/head": {"size": 120_000, "entry_hash": HASH},
    "GET /api/v1/ledger/entries": {"items": [entry(8), entry(7, {})], "next": 7},
    "GET /api/v1/ledger/verify": {"state": "none", "done": 0, "total": 120_000, "report": None},
    "POST /api/v1/ledger/verify": Response(status_code=202),
    "GET /api/v1/ledger/entries/3/receipt": PlainTextResponse("c2sp.org/tlog-proof@v1\nindex 3\n\n..."),
    "GET /api/v1/ledger/tree": {"size": 3, "root": HASH, "peaks": [
        {"level": 1, "index": 0, "hash": HASH, "first": 0, "last": 1},
        {"level": 0, "index": 2, "hash": HASH, "first": 2, "last": 2}]},
    "GET /api/v1/ledger/bundle": Response(b"PK-bytes", media_type="application/zip"),
    "GET /api/v1/ledger/witnesses": {"quorum_size": 119_900, "items": [
        {"name": "witness.example/w1", "url": "https://witness.example/", "size": 119_900, "at": AT, "error": None,
         "doubt": None},
        {"name": "witness.example/w2", "url": "https://other.example/", "size": 0, "at": None,
         "error": "connection refused", "doubt": None}]},
    "GET /api/v1/ledger/copies": {"items": [
        {"name": "tiles", "size": 119_900, "backlog": 100, "state": "following", "reason": None},
        {"name": "mongo", "size": 7, "backlog": 119_993, "state": "down", "reason": "no server"}]},
    "GET /api/v1/catalog/datasets": {"items": [DATASET | {"columns": 2}], "next": None},
    "GET /api/v1/catalog/datasets/grid.meter_readings": DATASET,
    "GET /api/v1/lineage": lineage(("grid.meter_readings", 0), ("grid.agg", 1)),
    "GET /api/v1/access-log": {"items": ACCESSES, "next": 11},
    "GET /api/v1/decisions": {"items": [DECISION, STRANGER], "next": 5},
    "GET /api/v1/decisions/0199-req": DECISION,
    "GET /api/v1/policy": {
        "revision": HASH, "evaluator": "regorus", "loaded_at": AT, "refused": None, "name": "city <2>", "built_at": AT,
        "sequence": 7, "version": 3, "stale": None},
    "GET /api/v1/policy/bundles": {"items": [
        {"version": 3, "revision": HASH, "name": "city <2>", "sequence": 7, "built_at": AT, "published_by": "admin",
         "published_at": AT, "active_from": AT}], "next": None},
    "GET /api/v1/policy/risk": {
        "scored_by": "what is usual for each subject", "countries": False, "subjects": 12, "requests": 340,
        "model": {"digest": HASH, "trained_at": AT, "samples": 9000, "refused": "it is unsigned"},
        "drift": {"hour": 0.31}, "shifted": ["hour"]},
    "GET /api/v1/sessions": {"items": SESSIONS, "next": "17.s-2"},
    "DELETE /api/v1/sessions/s-2": Response(status_code=204),
}
