"""Who is signed in, from where and how; and the button that ends it."""

from urllib.parse import quote

from starlette.responses import Response

from control_plane.console.visit import Visit

_PAGE = 50


async def listed(visit: Visit) -> Response:
    """List live sessions; the filter lives in the URL."""
    wanted = {name: visit.query(name).strip() for name in ("name", "after")}
    answer = await visit.ask("/api/v1/sessions", **wanted, limit=_PAGE)
    if not answer.is_ok:
        return visit.refused(answer)
    return visit.live("sessions.html", fragment="session_rows.html", sessions=answer.items,
                      next=answer.body.get("next"), wanted=wanted)


async def end(visit: Visit) -> Response:
    """End one."""
    answer = await visit.end(f"/api/v1/sessions/{visit.part('session_id')}")
    return visit.then_back(answer, f"/sessions?name={quote(visit.form.get('name', ''), safe='')}")


ROUTES = (("GET", "/sessions", listed), ("POST", "/sessions/{session_id}/end", end))
