"""Identity's cookies: session, step, device, and the browser's own number that forms are bound to.

A step is what a browser has between password and second factor; by the device its people are known again. All are
HttpOnly and SameSite=Lax; under an https issuer they are Secure and carry the `__Host-` prefix (RFC 6265bis 4.1.3), so
that no neighbouring host and no plain-http page can plant one.
"""

import re

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.people.login_policy import DEVICE_LIFETIME_US
from identity.service.people.outcomes import Visit
from shared_kernel.ids import secret

LANGUAGE_COOKIE = "gw_language"
_LANGUAGE_LIFETIME_S = 31_536_000
_DEVICE_LIFETIME_S = DEVICE_LIFETIME_US // 1_000_000
_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Cookies:
    """Reads and sets the cookies."""

    def __init__(self, issuer: str) -> None:
        self._is_secure = issuer.startswith("https://")
        prefix = "__Host-" if self._is_secure else ""
        self._session = f"{prefix}gw_session"
        self._browser = f"{prefix}gw_browser"
        self._step = f"{prefix}gw_step"
        self._device = f"{prefix}gw_device"

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

    def step(self, request: Request) -> str | None:
        """Return the cookie of the step that is due."""
        return request.cookies.get(self._step)

    def visit(self, request: Request) -> Visit:
        """Return the browser at the door."""
        return Visit(self.session(request), request.cookies.get(self._device))

    def set_step(self, response: Response, text: str) -> None:
        """Give the browser a step to take."""
        self._set(response, self._step, text)

    def clear_step(self, response: Response) -> None:
        """Take the step back."""
        self._clear(response, self._step)

    def set_device(self, response: Response, text: str) -> None:
        """Let the browser be known again."""
        response.set_cookie(self._device, text, _DEVICE_LIFETIME_S, path="/", secure=self._is_secure, httponly=True,
                            samesite="lax")

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
        self._clear(response, self._session)

    def _clear(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", secure=self._is_secure, httponly=True, samesite="lax")

    def _set(self, response: Response, name: str, text: str) -> None:
        response.set_cookie(name, text, path="/", secure=self._is_secure, httponly=True, samesite="lax")
