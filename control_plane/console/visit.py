"""One request of one signed-in person: asking the gateway as them, answering with a page."""

import hashlib
import json
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from control_plane.console.answers import Form, form_wanted
from control_plane.console.console import Console
from control_plane.console.gateway_client import Answer
from control_plane.console.sessions import ConsoleSession

LOG_IN_AGAIN = "Log in again"
NEEDS_LOGIN = "This is only shown to somebody who logged in a moment ago, or more safely than you did."
AFTER_LOGIN = ("This was not done: it is only done for somebody who logged in a moment ago, or more safely than you "
               "did. Log in again, then send the form once more.")


class Visit:
    """Who asks, what for, with which form."""

    def __init__(self, console: Console, session: ConsoleSession, request: Request, form: dict[str, str]) -> None:
        self.console = console
        self.session = session
        self.request = request
        self.form = form
        self.is_fragment = form_wanted(request) is Form.FRAGMENT

    async def ask(self, path: str, **params: str | int | None) -> Answer:
        """GET from the gateway with the person's token."""
        return await self.console.gateway.get(self.session, path, **params)

    async def tell(self, path: str, body: Any = None, *, prefer: str | None = None) -> Answer:  # noqa: ANN401
        """POST to the gateway with the person's token; `prefer` is RFC 7240's."""
        return await self.console.gateway.post(self.session, path, body, prefer=prefer)

    async def end(self, path: str) -> Answer:
        """DELETE at the gateway with the person's token."""
        return await self.console.gateway.delete(self.session, path)

    def page(self, name: str, *, status: int = 200, **values: Any) -> Response:  # noqa: ANN401 - template values
        """Render a page for this person."""
        return self.console.pages.page(name, self.session, status=status, path=self.request.url.path, **values)

    def live(self, name: str, *, fragment: str, **values: Any) -> Response:  # noqa: ANN401 - template values
        """Render a page whose `fragment` refreshes itself; one that did not change is not sent again (204)."""
        seen = hashlib.blake2s(json.dumps(values, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()
        if self.is_fragment and self.query("seen") == seen:
            return Response(status_code=204)
        return self.page(fragment if self.is_fragment else name, seen=seen, **values)

    def refused(self, answer: Answer) -> Response:
        """Say why the gateway refused, in its own words."""
        problem = answer.problem
        message = str(problem.get("detail") or "The gateway refused this without a reason.")
        members: dict[str, Any] = {
            name: problem[name] for name in ("title", "reasons", "request_id") if problem.get(name)}
        if answer.wants_another_login:
            members |= {"title": LOG_IN_AGAIN, "sign_in": self._another_login(problem)}
            message = AFTER_LOGIN if self.request.method == "POST" else NEEDS_LOGIN
        return self.console.pages.trouble(self.request, self.session, status=answer.status, message=message, **members)

    def unknown(self, message: str) -> Response:
        """Say that what was asked for cannot exist."""
        return self.console.pages.trouble(self.request, self.session, status=404, message=message)

    def _another_login(self, problem: dict[str, Any]) -> str:
        """Return where a login as demanded begins; it ends at this page, after a form at the section it was in."""
        path = self.request.url.path
        wanted = {"then": path if self.request.method == "GET" else "/" + path.split("/")[1]}
        wanted |= {name: str(problem[name]) for name in ("max_age", "acr_values") if name in problem}
        return f"/sign-in?{urlencode(wanted)}"

    def query(self, name: str) -> str:
        """Return a query parameter or an empty text."""
        return self.request.query_params.get(name, "")

    def part(self, name: str) -> str:
        """Return a path parameter, safe to put into a gateway path: it stays one segment of it."""
        text = str(self.request.path_params[name])
        if set(text) <= {"."}:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return quote(text, safe="")

    def then_back(self, answer: Answer, to: str) -> Response:
        """Go back to a page after a change, or show why it was refused."""
        return RedirectResponse(to, 303) if answer.is_ok else self.refused(answer)
