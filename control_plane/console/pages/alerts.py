"""The alert queue and one alert: why it fired, the raw events, the response."""

import asyncio
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from control_plane.console.visit import Visit

STATUSES = ("New", "In progress", "Closed")
SEVERITIES = ("critical", "high", "medium", "low")
_PAGE = 50
_RAW_EVENTS = 5
_RUNS = 200


async def queue(visit: Visit) -> Response:
    """List the alerts; filters live in the URL."""
    wanted = {name: visit.query(name) for name in ("status", "severity", "rule", "before")}
    answer = await visit.ask("/api/v1/alerts", **wanted, limit=_PAGE)
    if not answer.is_ok:
        return visit.refused(answer)
    return visit.live("alerts.html", fragment="alert_rows.html", alerts=answer.items, next=answer.body.get("next"),
                      wanted=wanted, statuses=STATUSES, severities=SEVERITIES)


async def show(visit: Visit) -> Response:
    """Show why one alert fired."""
    answer = await visit.ask(f"/api/v1/alerts/{visit.part('alert_id')}")
    if not answer.is_ok:
        return visit.refused(answer)
    alert = answer.body
    sealed = [item["seq"] for item in alert["evidence"] if item["source"] == "ledger"]
    rule, runs, *entries = await asyncio.gather(
        visit.ask(f"/api/v1/rules/{quote(alert['rule']['id'], safe='')}"),
        visit.ask("/api/v1/playbooks/runs", limit=_RUNS),
        *(visit.ask(f"/api/v1/ledger/entries/{seq}") for seq in sealed[-_RAW_EVENTS:]),
    )
    return visit.page(
        "alert.html", alert=alert, statuses=STATUSES, entries=[entry.body for entry in entries if entry.is_ok],
        hidden=sum(not entry.is_ok for entry in entries), may_see_runs=runs.is_ok,
        runs=[run for run in runs.items if run["alert"] and run["alert"]["id"] == alert["id"]],
        profile=_profile(alert, rule.body["detections"] if rule.is_ok else []),
    )


def _profile(alert: dict[str, Any], detections: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the rule says about the detection that fired; the rule may be gone since."""
    fired = alert["event"].get("grid", {}).get("alert", {}).get("detection")
    named = [one for one in detections if one["name"] == fired] or detections
    return named[0] if named else {"triage": None, "techniques": [], "description": None}


async def set_status(visit: Visit) -> Response:
    """Take, close or reopen an alert."""
    body = {"status": visit.form.get("status", ""), "reason": visit.form.get("reason", "").strip()}
    alert = visit.part("alert_id")
    answer = await visit.tell(f"/api/v1/alerts/{alert}/status", {k: v for k, v in body.items() if v})
    return visit.then_back(answer, f"/alerts/{alert}")


ROUTES = (
    ("GET", "/alerts", queue), ("GET", "/alerts/{alert_id}", show), ("POST", "/alerts/{alert_id}/status", set_status),
)
