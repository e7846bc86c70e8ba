"""Why was I refused? One sealed decision explained, and for those who watch, the latest of all."""

import re
from typing import Any

from starlette.responses import RedirectResponse, Response

from control_plane.console.rule_picture import rule_picture
from control_plane.console.visit import Visit

_PAGE = 100
_OWN_ACTION = "decisions.read_all"
_ID = re.compile(r"[0-9A-Za-z-]{1,128}")
NO_SUCH_ID = "That is no request id: copy it from the refusal, as in 01a200af-e322-7547-9f8e-ffb66b6cfce5."


async def latest(visit: Visit) -> Response:
    """Ask for a request id; show the latest decisions to those who may read them."""
    request_id = visit.query("request_id").strip()
    if request_id:
        return RedirectResponse(f"/why/{request_id}", 303) if _ID.fullmatch(request_id) else visit.unknown(NO_SUCH_ID)
    before = visit.query("before")
    answer = await visit.ask("/api/v1/decisions", limit=_PAGE, before=before)
    return visit.live("decisions.html", fragment="decision_rows.html", decisions=_others(visit, answer.items),
                      may_watch=answer.is_ok, before=before, next=answer.body.get("next") if answer.is_ok else None)


def _others(visit: Visit, decisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what this page itself asks every two seconds: it would scroll everything else away."""
    own = visit.session.person.get("sub")
    return [decision for decision in decisions
            if decision["action"] != _OWN_ACTION or decision["subject"].get("id") != own]


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
