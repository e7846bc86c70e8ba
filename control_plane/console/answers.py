"""What the console answers: pages, fragments for htmx, and data for the chart; each failure in the asker's form."""

from enum import StrEnum
from http import HTTPStatus
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from control_plane.console.filters import FILTERS
from control_plane.console.sessions import ConsoleSession

STATIC = files("control_plane.console") / "static"
START = "/grid"
NAVIGATION = (
    ("/grid", "Grid"), ("/alerts", "Alerts"), ("/playbooks", "Playbooks"), ("/ledger", "Ledger"),
    ("/catalog", "Catalog"), ("/access", "Access"), ("/why", "Decisions"), ("/sessions", "Sessions"),
    ("/policy", "Policy"), ("/developers", "Developers"),
)
_MAX_PATH = 2_000


class Form(StrEnum):
    """What the asker can use: a person's browser a page, htmx a fragment, the chart's script data."""

    PAGE = "page"
    FRAGMENT = "fragment"
    DATA = "data"


def form_wanted(request: Request) -> Form:
    """Return the form this request is answered in."""
    if request.headers.get("hx-request") == "true":
        return Form.FRAGMENT
    return Form.DATA if request.headers.get("accept", "").startswith("application/json") else Form.PAGE


class Pages:
    """Renders templates for one deployment."""

    def __init__(self, gateway_url: str) -> None:
        self._templates = Environment(
            loader=PackageLoader("control_plane.console"), autoescape=select_autoescape(),
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        )
        self._templates.filters |= FILTERS
        self._templates.globals |= {"navigation": NAVIGATION, "gateway_url": gateway_url}

    def page(
        self, name: str, session: ConsoleSession | None, *, status: int = 200, path: str = "", **values: Any,  # noqa: ANN401
    ) -> Response:
        """Render a template; `session` is None on pages for strangers."""
        text = self._templates.get_template(name).render(session=session, path=path, **values)
        return HTMLResponse(text, status)

    def trouble(
        self, request: Request, session: ConsoleSession | None, *, status: int, message: str, **problem: Any,  # noqa: ANN401
    ) -> Response:
        """Say in the asker's form why this did not work; `problem` holds the members of the gateway's answer."""
        about = {"title": _phrase(status), "reasons": [], "request_id": "", "sign_in": "", **problem,
                 "message": message}
        form = form_wanted(request)
        if form is Form.DATA:
            return JSONResponse({"detail": message, **problem}, status)
        if form is Form.FRAGMENT:
            response = self.page("notice.html", session, status=status, about=about, status_code=status)
            response.headers.update({"hx-retarget": "#notice", "hx-reswap": "innerHTML"})
            return response
        return self.page("trouble.html", session, status=status, path=request.url.path, about=about,
                         status_code=status)


def to_sign_in(request: Request) -> Response:
    """Send the person to sign in and then back to what they looked at, without showing them a broken page."""
    form = form_wanted(request)
    if form is Form.PAGE:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(_sign_in_url(wanted if request.method == "GET" else START), 303)
    seen = urlsplit(request.headers.get("hx-current-url") or START)
    url = _sign_in_url(local_path(seen.path + (f"?{seen.query}" if seen.query else "")))
    if form is Form.FRAGMENT:
        return Response(status_code=401, headers={"hx-redirect": url})
    return JSONResponse({"detail": "Your session is over. Sign in again.", "sign_in": "/sign-in"}, 401)


def local_path(text: str) -> str:
    """Return the path if it is one of ours, else the start page: never an open redirect."""
    is_local = text.startswith("/") and not text.startswith("//") and "\\" not in text and len(text) <= _MAX_PATH
    return text if is_local and text.isprintable() else START


def _sign_in_url(wanted: str) -> str:
    return f"/sign-in?then={quote(wanted, safe='')}"


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Refused"
