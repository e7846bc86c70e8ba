"""The switch at the foot of every page."""

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.languages import LANGUAGES
from identity.http.pages.forms import form_fields
from identity.http.pages.front import Front
from identity.http.pages.rendering import see_other


class LanguageRoutes:
    """Remembers the language a person chose; nothing else hangs on it, so it needs no seal."""

    def __init__(self, front: Front) -> None:
        self._front = front

    async def switch(self, request: Request) -> Response:
        """Set the cookie and go back to the page (303)."""
        fields = await form_fields(request)
        response = see_other(self._own_path(fields.get("back", "")))
        if fields.get("language") in LANGUAGES:
            self._front.cookies.set_language(response, fields["language"])
        return response

    def _own_path(self, back: str) -> str:
        """Return a path of ours and never another site's: a browser reads a second slash, of either kind, as a host."""
        is_ours = back.startswith(f"{self._front.base}/") and not back.startswith(("//", "/\\")) and back.isprintable()
        return back if is_ours else f"{self._front.base}/login"
