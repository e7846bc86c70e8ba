"""Playbooks, their runs, the approval a run waits for, and the kill switch."""

import asyncio
from urllib.parse import quote

from starlette.responses import Response

from control_plane.console.visit import Visit

_PAGE = 50
_EVERYTHING = "global"


async def shelf(visit: Visit) -> Response:
    """List playbooks and their runs."""
    listed, runs = await asyncio.gather(
        visit.ask("/api/v1/playbooks"), visit.ask("/api/v1/playbooks/runs", limit=_PAGE, before=visit.query("before")),
    )
    if not listed.is_ok:
        return visit.refused(listed)
    switches = [switch for switch in listed.body.get("kill_switches", []) if switch["on"]]
    return visit.page("playbooks.html", playbooks=listed.items, runs=runs.items, switches=switches,
                      next=runs.body.get("next") if runs.is_ok else None,
                      is_stopped=any(switch["scope"] == _EVERYTHING for switch in switches))


async def start(visit: Visit) -> Response:
    """Start a playbook by hand."""
    targets = [target.strip() for target in visit.form.get("target", "").split(",") if target.strip()]
    body = {"targets": targets, "reason": visit.form.get("reason", "").strip()}
    answer = await visit.tell(f"/api/v1/playbooks/{visit.part('name')}/runs", body)
    return visit.then_back(answer, f"/playbooks/runs/{quote(answer.body['run_id'], safe='')}" if answer.is_ok else "")


async def run(visit: Visit) -> Response:
    """Show a run: its plan, its journal, and the approval it waits for."""
    answer = await visit.ask(f"/api/v1/playbooks/runs/{visit.part('run_id')}")
    return visit.live("run.html", fragment="run_body.html", run=answer.body) if answer.is_ok else visit.refused(answer)


async def decide(visit: Visit) -> Response:
    """Approve or deny a run: exactly the plan that the person read."""
    verdict = "approve" if visit.form.get("verdict") == "approve" else "deny"
    run_id = visit.part("run_id")
    body = {"comment": visit.form.get("comment", "").strip(), "plan_hash": visit.form.get("plan_hash") or None}
    answer = await visit.tell(f"/api/v1/playbooks/runs/{run_id}/{verdict}", body)
    return visit.then_back(answer, f"/playbooks/runs/{run_id}")


async def turn_kill_switch(visit: Visit) -> Response:
    """Stop all playbooks, or let them go on."""
    body = {"on": visit.form.get("on") == "yes", "reason": visit.form.get("reason", "").strip()}
    answer = await visit.tell("/api/v1/playbooks/kill-switch", body | {"scope": _EVERYTHING})
    return visit.then_back(answer, "/playbooks")


ROUTES = (
    ("GET", "/playbooks", shelf),
    ("POST", "/playbooks/kill-switch", turn_kill_switch),
    ("GET", "/playbooks/runs/{run_id}", run),
    ("POST", "/playbooks/runs/{run_id}/decision", decide),
    ("POST", "/playbooks/{name}/runs", start),
)
