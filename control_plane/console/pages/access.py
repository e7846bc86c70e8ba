"""The access log: who saw what, for which purpose, and what was masked; read from the sealed events."""

from starlette.responses import Response

from control_plane.console.visit import Visit

_PAGE = 100


async def log(visit: Visit) -> Response:
    """List the accesses; filters live in the URL."""
    wanted = {name: visit.query(name).strip() for name in ("dataset", "person", "before")}
    answer = await visit.ask("/api/v1/access-log", **wanted, limit=_PAGE)
    if not answer.is_ok:
        return visit.refused(answer)
    return visit.page("access.html", accesses=answer.items, next=answer.body.get("next"), wanted=wanted)


ROUTES = (("GET", "/access", log),)
