"""The pages: each asks the gateway as the person who looks, and shows exactly what the gateway gave."""

import asyncio
from urllib.parse import quote

from starlette.responses import JSONResponse, RedirectResponse, Response

from control_plane.console.visit import Visit

PURPOSES = ("", "outage-investigation", "billing", "audit", "network-planning", "incident-response")


async def grid(visit: Visit) -> Response:
    """Load: actual, the operator's forecast and ours; the back-test beside it."""
    backtest = await visit.ask("/api/v1/analytics/forecast/backtest")
    return visit.page("grid.html", backtest=backtest, start=visit.query("from"), end=visit.query("to"))


async def grid_data(visit: Visit) -> Response:
    """Hand the chart its series, as the gateway released them to this person."""
    wanted = {"from": visit.query("from"), "to": visit.query("to")}
    answer = await visit.ask("/api/v1/analytics/load/comparison", **wanted)
    return JSONResponse(answer.body, answer.status)


async def alerts(visit: Visit) -> Response:
    """List the alerts; filters live in the URL."""
    wanted = {name: visit.query(name) for name in ("status", "severity", "rule", "before")}
    answer = await visit.ask("/api/v1/alerts", **wanted, limit=50)
    if not answer.is_ok:
        return visit.refused(answer)
    name = "alert_rows.html" if visit.request.headers.get("hx-request") else "alerts.html"
    return visit.page(name, alerts=answer.items, next=answer.body.get("next"), wanted=wanted)


async def alert(visit: Visit) -> Response:
    """Show why one alert fired, the raw event and the response."""
    answer = await visit.ask(f"/api/v1/alerts/{visit.part('alert_id')}")
    if not answer.is_ok:
        return visit.refused(answer)
    evidence = [item for item in answer.body.get("evidence", []) if item.get("source") == "ledger"][-5:]
    entries = await asyncio.gather(*(visit.ask(f"/api/v1/ledger/entries/{item['seq']}") for item in evidence))
    runs, rule = await asyncio.gather(
        visit.ask("/api/v1/playbooks/runs", limit=200), visit.ask(f"/api/v1/rules/{quote(answer.body['rule']['id'])}"),
    )
    ours = [run for run in runs.items if (run["alert"] or {}).get("id") == answer.body["id"]]
    profile = rule.body["detections"][0] if rule.is_ok else {}
    return visit.page(
        "alert.html", alert=answer.body, entries=[e.body for e in entries if e.is_ok], runs=ours,
        triage=profile.get("triage"), techniques=profile.get("techniques"),
    )


async def set_alert_status(visit: Visit) -> Response:
    """Take, close or reopen an alert."""
    body = {"status": visit.form.get("status", ""), "reason": visit.form.get("reason", "")}
    answer = await visit.tell(f"/api/v1/alerts/{visit.part('alert_id')}/status", {k: v for k, v in body.items() if v})
    return await visit.then_back(answer, f"/alerts/{visit.part('alert_id')}")


async def playbooks(visit: Visit) -> Response:
    """List playbooks and their runs."""
    listed, runs = await asyncio.gather(visit.ask("/api/v1/playbooks"), visit.ask("/api/v1/playbooks/runs", limit=50))
    if not listed.is_ok:
        return visit.refused(listed)
    return visit.page("playbooks.html", playbooks=listed.items, runs=runs.items)


async def start_run(visit: Visit) -> Response:
    """Start a playbook by hand."""
    body = {"targets": [visit.form.get("target", "").strip()], "reason": visit.form.get("reason", "").strip()}
    answer = await visit.tell(f"/api/v1/playbooks/{visit.part('name')}/runs", body)
    return await visit.then_back(answer, f"/playbooks/runs/{answer.body.get('run_id', '')}" if answer.is_ok else "/")


async def run(visit: Visit) -> Response:
    """Show a run: its plan, its journal, and the approval it waits for."""
    answer = await visit.ask(f"/api/v1/playbooks/runs/{visit.part('run_id')}")
    if not answer.is_ok:
        return visit.refused(answer)
    name = "run_body.html" if visit.request.headers.get("hx-request") else "run.html"
    return visit.page(name, run=answer.body)


async def decide_run(visit: Visit) -> Response:
    """Approve or deny a run."""
    verdict = "approve" if visit.form.get("verdict") == "approve" else "deny"
    run_id = visit.part("run_id")
    answer = await visit.tell(f"/api/v1/playbooks/runs/{run_id}/{verdict}", {"comment": visit.form.get("comment", "")})
    return await visit.then_back(answer, f"/playbooks/runs/{run_id}")


async def ledger(visit: Visit) -> Response:
    """Show the head, the last entries and the last verification."""
    head = await visit.ask("/api/v1/ledger/head")
    if not head.is_ok:
        return visit.refused(head)
    entries, verification, note = await asyncio.gather(
        visit.ask("/api/v1/ledger/entries", limit=25), visit.ask("/api/v1/ledger/verify"),
        visit.ask("/api/v1/ledger/checkpoint"),
    )
    return visit.page("ledger.html", head=head.body, entries=entries.items,
                      verification=verification.body.get("report") if verification.is_ok else None,
                      checkpoint=str(note.body).split("\n") if note.is_ok else None)


async def verify_ledger(visit: Visit) -> Response:
    """Verify the whole ledger now."""
    answer = await visit.tell("/api/v1/ledger/verify")
    if not answer.is_ok:
        return visit.refused(answer)
    return visit.page("verification.html", verification=answer.body)


async def entry(visit: Visit) -> Response:
    """Show one ledger entry and its inclusion proof."""
    seq = visit.part("seq")
    found, proof = await asyncio.gather(
        visit.ask(f"/api/v1/ledger/entries/{seq}"), visit.ask(f"/api/v1/ledger/entries/{seq}/proof"),
    )
    if not found.is_ok:
        return visit.refused(found)
    return visit.page("entry.html", entry=found.body, proof=proof.body if proof.is_ok else None)


async def catalog(visit: Visit) -> Response:
    """List datasets, their labels and their lineage."""
    answer = await visit.ask("/api/v1/catalog/datasets")
    return visit.page("catalog.html", datasets=answer.items) if answer.is_ok else visit.refused(answer)


async def why(visit: Visit) -> Response:
    """Ask for a request id and lead to its explanation."""
    request_id = visit.query("request_id").strip()
    if request_id:
        return RedirectResponse(f"/why/{quote(request_id, safe='')}", 303)
    return visit.page("why_form.html")


async def why_decision(visit: Visit) -> Response:
    """Show the sealed decision behind a request id."""
    answer = await visit.ask(f"/api/v1/decisions/{visit.part('request_id')}")
    if not answer.is_ok:
        return visit.refused(answer)
    return visit.page("why.html", decision=answer.body)


async def set_purpose(visit: Visit) -> Response:
    """State the purpose that goes with this person's next requests."""
    purpose = visit.form.get("purpose", "")
    visit.session.flow["purpose"] = purpose if purpose in PURPOSES else ""
    return RedirectResponse("/grid", 303)


ROUTES = (
    ("GET", "/grid", grid),
    ("GET", "/grid/data", grid_data),
    ("GET", "/alerts", alerts),
    ("GET", "/alerts/{alert_id}", alert),
    ("POST", "/alerts/{alert_id}/status", set_alert_status),
    ("GET", "/playbooks", playbooks),
    ("POST", "/playbooks/{name}/runs", start_run),
    ("GET", "/playbooks/runs/{run_id}", run),
    ("POST", "/playbooks/runs/{run_id}/decision", decide_run),
    ("GET", "/ledger", ledger),
    ("POST", "/ledger/verify", verify_ledger),
    ("GET", "/ledger/entries/{seq}", entry),
    ("GET", "/catalog", catalog),
    ("GET", "/why", why),
    ("GET", "/why/{request_id}", why_decision),
    ("POST", "/purpose", set_purpose),
)
