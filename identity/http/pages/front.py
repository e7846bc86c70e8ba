"""What every page handler stands on: the provider, the renderer, the cookies, and the page that says sorry."""

from dataclasses import dataclass

from starlette.responses import Response

from identity.http.pages.cookies import Cookies
from identity.http.pages.rendering import Pages
from identity.service import IdentityProvider


@dataclass(frozen=True, slots=True)
class Front:
    """Shared by the page handlers; `base` is the path of the issuer."""

    provider: IdentityProvider
    pages: Pages
    cookies: Cookies
    base: str

    def sorry(self, sentence: str, status: int) -> Response:
        """Return the page of an error that nobody may be redirected with."""
        return self.pages.render("sorry.html", status=status, sentence=sentence)
