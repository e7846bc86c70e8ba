"""The grid's load: measured, the operator's forecast and ours, with the back-test beside it."""

from urllib.parse import quote

from starlette.responses import JSONResponse, RedirectResponse, Response

from control_plane.console.answers import START
from control_plane.console.visit import Visit

PURPOSES = ("outage-investigation", "billing", "audit", "network-planning", "incident-response")
SCORES = (
    ("operator", "The operator"), ("naive_week", "The same hour a week before"), ("without_operator", "Ours"),
    ("with_operator", "Ours, knowing the operator's"),
)
_NO_DATA = 502


async def show(visit: Visit) -> Response:
    """Show the chart's page."""
    backtest = await visit.ask("/api/v1/analytics/forecast/backtest")
    months = backtest.items
    total = months[-1] if months else None
    return visit.page(
        "grid.html", start=visit.query("from"), end=visit.query("to"), purposes=PURPOSES, months=months[:-1],
        scores=[(label, total.get(name)) for name, label in SCORES] if total else [],
        hours=total.get("hours") if total else None, columns=SCORES,
        refusal=backtest.problem.get("detail", "The back-test is not there yet.") if not total else None,
    )


async def data(visit: Visit) -> Response:
    """Hand the chart its series, as the gateway released them to this person."""
    span = {name: visit.query(name) for name in ("from", "to")}
    answer = await visit.ask("/api/v1/analytics/load/comparison", **span)
    if answer.is_ok and not isinstance(answer.body, dict):
        return JSONResponse({"detail": "The gateway's answer is not understood."}, _NO_DATA)
    return JSONResponse(answer.body, answer.status) if answer.is_ok else visit.refused(answer)


async def set_purpose(visit: Visit) -> Response:
    """State the purpose that goes with this person's next requests."""
    purpose = visit.form.get("purpose", "")
    visit.session.purpose = purpose if purpose in PURPOSES else ""
    span = "&".join(f"{name}={quote(visit.form[name], safe='')}" for name in ("from", "to") if visit.form.get(name))
    return RedirectResponse(f"{START}?{span}" if span else START, 303)


ROUTES = (("GET", "/grid", show), ("GET", "/grid/data", data), ("POST", "/purpose", set_purpose))
