"""What every page handler stands on: the provider, the renderer, the cookies, and the page that says sorry."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from identity.http.pages.cookies import Cookies
from identity.http.pages.rendering import Pages
from identity.service import IdentityProvider
from shared_kernel.context import context_of


@dataclass(frozen=True, slots=True)
class Front:
    """Shared by the page handlers; `base` is the path of the issuer."""

    provider: IdentityProvider
    pages: Pages
    cookies: Cookies
    base: str

    def sorry(self, request: Request, sentence: str, status: int, *, detail: str | None = None) -> Response:
        """Return the page of an error that nobody may be redirected with; `detail` speaks to developers."""
        return self.pages.render(request, "sorry.html", status=status, sentence=sentence, detail=detail,
                                 reference=context_of(request.scope).request_id)

    def stale(self, request: Request) -> Response:
        """Return the page for a form that is too old, or another browser's."""
        return self.sorry(request, self.pages.translate(request)("common.stale_form"), 403)
