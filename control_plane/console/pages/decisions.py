"""Why was I refused? One sealed decision explained, and for those who watch, the latest of all."""

from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from control_plane.console.rule_picture import rule_picture
from control_plane.console.visit import Visit

_PAGE = 50


async def latest(visit: Visit) -> Response:
    """Ask for a request id; show the latest decisions to those who may read them."""
    request_id = visit.query("request_id").strip()
    if request_id:
        return RedirectResponse(f"/why/{quote(request_id, safe='')}", 303)
    answer = await visit.ask("/api/v1/decisions", limit=_PAGE, before=visit.query("before"))
    return visit.page("decisions.html", decisions=answer.items, may_watch=answer.is_ok,
                      next=answer.body.get("next") if answer.is_ok else None)


async def one(visit: Visit) -> Response:
    """Explain the sealed decision behind a request id."""
    path = f"/api/v1/decisions/{visit.part('request_id')}"
    answer = await visit.ask(path)
    if not answer.is_ok:
        return visit.refused(answer)
    asked_again = await visit.ask(f"{path}/why")
    why = asked_again.body if asked_again.is_ok else None
    return visit.page("why.html", decision=answer.body, why=why, picture=rule_picture(why["rules"]) if why else None)


ROUTES = (("GET", "/why", latest), ("GET", "/why/{request_id}", one))
