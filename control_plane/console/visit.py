"""One request of one signed-in person: asking the gateway as them, answering with a page."""

from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from control_plane.console.console import Console
from control_plane.console.gateway_client import Answer
from control_plane.console.sessions import ConsoleSession


class Visit:
    """Who asks, what for, with which form."""

    def __init__(self, console: Console, session: ConsoleSession, request: Request, form: dict[str, str]) -> None:
        self.console = console
        self.session = session
        self.request = request
        self.form = form

    async def ask(self, path: str, **params: str | int | None) -> Answer:
        """GET from the gateway with the person's token."""
        return await self.console.gateway.get(self.session, path, **params)

    async def tell(self, path: str, body: Any = None) -> Answer:  # noqa: ANN401 - any JSON
        """POST to the gateway with the person's token."""
        return await self.console.gateway.post(self.session, path, body)

    def page(self, name: str, *, status: int = 200, **values: Any) -> Response:  # noqa: ANN401 - template values
        """Render a page for this person."""
        return self.console.pages.page(name, self.session, status=status, path=self.request.url.path, **values)

    def refused(self, answer: Answer) -> Response:
        """Render the gateway's refusal."""
        return self.console.pages.refused(self.session, answer, path=self.request.url.path)

    def query(self, name: str) -> str:
        """Return a query parameter or an empty text."""
        return self.request.query_params.get(name, "")

    def part(self, name: str) -> str:
        """Return a path parameter, safe to put into a gateway path."""
        return quote(str(self.request.path_params[name]), safe="")

    async def then_back(self, answer: Answer, to: str) -> Response:
        """Go back to a page after a change, or show why it was refused."""
        return RedirectResponse(to, 303) if answer.is_ok else self.refused(answer)
