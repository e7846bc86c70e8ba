"""What the console answers: pages from templates, one set of security headers, errors a person understands."""

from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse, RedirectResponse, Response

from control_plane.console.filters import FILTERS
from control_plane.console.gateway_client import Answer
from control_plane.console.sessions import ConsoleSession

STATIC = files("control_plane.console") / "static"
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self' {issuer}; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
NAVIGATION = (
    ("/grid", "Grid"), ("/alerts", "Alerts"), ("/playbooks", "Playbooks"), ("/ledger", "Ledger"),
    ("/catalog", "Catalog"),
)


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

    def refused(self, session: ConsoleSession, answer: Answer, *, path: str = "") -> Response:
        """Render why the gateway said no, in its own words."""
        problem = answer.body if isinstance(answer.body, dict) else {}
        return self.page("refused.html", session, status=answer.status, path=path, problem=problem,
                         status_code=answer.status)


def to_sign_in(wanted: str) -> Response:
    """Send the browser to sign in and then back to what it wanted."""
    return RedirectResponse(f"/sign-in?then={quote(wanted, safe='')}", 303)


def local_path(text: str) -> str:
    """Return the path if it is one of ours, else the start page: never an open redirect."""
    is_local = text.startswith("/") and not text.startswith(("//", "/\\")) and "\\" not in text
    return text if is_local and text.isprintable() else "/grid"
