"""The console's parts: sessions, the gateway, sign-in, templates, and the cookie that ties a browser to them."""

from starlette.requests import Request
from starlette.responses import Response

from control_plane.console.answers import Pages
from control_plane.console.gateway_client import GatewayClient
from control_plane.console.sessions import ConsoleSession, ConsoleSessions
from control_plane.console.sign_in import SignIn

COOKIE = "gridwarden_console"


class Console:
    """Who visits, and what they need: sessions, the gateway, templates."""

    def __init__(self, url: str, gateway: GatewayClient, sign_in: SignIn) -> None:
        self.url = url
        self.gateway = gateway
        self.sign_in = sign_in
        self.sessions = ConsoleSessions()
        self.pages = Pages(gateway.url)
        self.is_https = url.startswith("https:")
        self.cookie = f"__Host-{COOKIE}" if self.is_https else COOKIE

    def session_of(self, request: Request) -> ConsoleSession | None:
        """Return the browser's session, signed in or not."""
        return self.sessions.find(request.cookies.get(self.cookie, ""))

    def remember(self, response: Response, session: ConsoleSession) -> Response:
        """Hand the browser its session id."""
        return self._set_cookie(response, session.session_id, None)

    def forget(self, response: Response) -> Response:
        """Take the session id away from the browser."""
        return self._set_cookie(response, "", 0)

    def _set_cookie(self, response: Response, value: str, max_age: int | None) -> Response:
        response.set_cookie(self.cookie, value, max_age=max_age, httponly=True, samesite="lax", secure=self.is_https,
                            path="/")
        return response
