"""Identity's two cookies: the session, and the browser's own number that forms are bound to.

Both are HttpOnly and SameSite=Lax; under an https issuer they are Secure and carry the `__Host-` prefix
(RFC 6265bis 4.1.3), so that no neighbouring host and no plain-http page can plant one.
"""

import re

from starlette.requests import Request
from starlette.responses import Response

from shared_kernel.ids import secret

LANGUAGE_COOKIE = "gw_language"
_LANGUAGE_LIFETIME_S = 31_536_000
_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Cookies:
    """Reads and sets the cookies."""

    def __init__(self, issuer: str) -> None:
        self._is_secure = issuer.startswith("https://")
        prefix = "__Host-" if self._is_secure else ""
        self._session = f"{prefix}gw_session"
        self._browser = f"{prefix}gw_browser"

    def session(self, request: Request) -> str | None:
        """Return the session cookie's text."""
        return request.cookies.get(self._session)

    def browser(self, request: Request) -> str:
        """Return the browser's number, empty when it brought none."""
        found = request.cookies.get(self._browser, "")
        return found if _BROWSER.fullmatch(found) else ""

    def browser_or_new(self, request: Request) -> str:
        """Return the browser's number, a fresh one when it brought none."""
        return self.browser(request) or secret()

    def set_session(self, response: Response, text: str) -> None:
        """Give the browser its session."""
        self._set(response, self._session, text)

    def set_browser(self, response: Response, text: str) -> None:
        """Give the browser its number."""
        self._set(response, self._browser, text)

    def set_language(self, response: Response, language: str) -> None:
        """Remember the language for a year."""
        response.set_cookie(LANGUAGE_COOKIE, language, _LANGUAGE_LIFETIME_S, path="/", secure=self._is_secure,
                            httponly=True, samesite="lax")

    def clear_session(self, response: Response) -> None:
        """Take the session back."""
        response.delete_cookie(self._session, path="/", secure=self._is_secure, httponly=True, samesite="lax")

    def _set(self, response: Response, name: str, text: str) -> None:
        response.set_cookie(name, text, path="/", secure=self._is_secure, httponly=True, samesite="lax")
