"""The style sheet and the icon."""

from starlette.requests import Request
from starlette.responses import Response

from identity.http.pages.front import Front


class StaticRoutes:
    """Handlers of static files."""

    def __init__(self, front: Front) -> None:
        self._front = front

    async def style(self, _: Request) -> Response:
        """Serve the style sheet."""
        return self._front.pages.static("style.css")

    async def mark(self, _: Request) -> Response:
        """Serve the icon."""
        return self._front.pages.static("mark.svg")

    async def form_post(self, _: Request) -> Response:
        """Serve the script that posts an authorization response without a click."""
        return self._front.pages.static("form_post.js")

    async def passkeys(self, _: Request) -> Response:
        """Serve the script that asks the browser for passkeys."""
        return self._front.pages.static("passkeys.js")
