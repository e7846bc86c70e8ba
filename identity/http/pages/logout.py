"""The logout page (RP-Initiated Logout 1.0)."""

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.oauth.parameters import read_pairs, unique
from identity.domain.people.interactions import Purpose, StaleInteractionError
from identity.domain.records import Session
from identity.http.pages.forms import form_fields, form_pairs
from identity.http.pages.front import Front
from identity.http.pages.rendering import see_other
from identity.service.oauth.logout import Farewell
from shared_kernel.context import context_of
from shared_kernel.errors import InvalidInputError


class LogoutRoutes:
    """Handlers of the logout page."""

    def __init__(self, front: Front) -> None:
        self._front = front

    async def logout_page(self, request: Request) -> Response:
        """Ask whether to log out (RP-Initiated Logout 2: GET and POST)."""
        try:
            pairs = await form_pairs(request) if request.method == "POST" else read_pairs(request.url.query)
            parameters, broken = unique(pairs)
            farewell = await self._front.provider.logouts.farewell(parameters, broken)
        except InvalidInputError as error:
            return self._front.sorry(request, error.detail, 400)
        session = await self._front.provider.session(self._front.cookies.session(request))
        if session is None and request.method == "POST":
            return self._once_more(parameters)
        if session is None:
            return see_other(farewell.url) if farewell.url else self._front.pages.render(request, "signed_out.html")
        return self._question(request, farewell, session, parameters.get("ui_locales"))

    def _once_more(self, parameters: Mapping[str, str]) -> Response:
        """Bring the browser back by GET: a cookie that is SameSite=Lax stays at home when another site posts here."""
        return see_other(f"{self._front.base}/oauth2/logout?{urlencode(parameters)}")

    def _question(self, request: Request, farewell: Farewell, session: Session, ui_locales: str | None) -> Response:
        browser = self._front.cookies.browser_or_new(request)
        text = self._front.provider.seal(Purpose.LOGOUT, farewell.url or "", browser=browser, session=session)
        response = self._front.pages.render(request, "logout.html", form_target=farewell.redirect_uri,
                                            ui_locales=ui_locales, interaction=text, name=session.user_name)
        self._front.cookies.set_browser(response, browser)
        return response

    async def logout(self, request: Request) -> Response:
        """End the session (303)."""
        fields = await form_fields(request)
        try:
            interaction = self._front.provider.unseal(fields.get("interaction", ""), Purpose.LOGOUT,
                                                browser=self._front.cookies.browser(request))
        except StaleInteractionError:
            return self._front.stale(request)
        session = await self._front.provider.session(self._front.cookies.session(request))
        if session is not None and session.id != interaction.session_id:
            return self._front.stale(request)
        if session is not None:
            await self._front.provider.logouts.end(session, context_of(request.scope))
        response = see_other(interaction.query or f"{self._front.base}/logout")
        self._front.cookies.clear_session(response)
        return response
