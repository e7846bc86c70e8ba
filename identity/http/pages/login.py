"""The login page."""

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.oauth.errors import LoginRefusedError
from identity.domain.oauth.parameters import read_pairs, unique
from identity.domain.people.interactions import Interaction, Purpose, StaleInteractionError
from identity.http.pages.authorize import AuthorizeRoutes
from identity.http.pages.forms import form_fields
from identity.http.pages.front import Front
from identity.http.pages.rendering import see_other
from shared_kernel.context import context_of


class LoginRoutes:
    """Handlers of the login page; afterwards the authorization request goes on."""

    def __init__(self, front: Front, authorize: AuthorizeRoutes) -> None:
        self._front = front
        self._authorize = authorize

    async def login_page(self, request: Request) -> Response:
        """Show the login form, or who is logged in."""
        text = request.query_params.get("interaction")
        session = await self._front.provider.session(self._front.cookies.session(request))
        if text is None and session is not None:
            return self._front.pages.render(request, "signed_in.html", name=session.user_name)
        browser = self._front.cookies.browser_or_new(request)
        if text is None:
            text = self._front.provider.seal(Purpose.LOGIN, "", browser=browser)
        try:
            interaction = self._front.provider.unseal(text, Purpose.LOGIN, browser=browser)
        except StaleInteractionError:
            return self._front.stale(request)
        return self._login_form(request, text, interaction, browser)

    async def login(self, request: Request) -> Response:
        """Take name and password; go on with what the person came for (303)."""
        fields, browser = await form_fields(request), self._front.cookies.browser(request)
        text = fields.get("interaction", "")
        try:
            interaction = self._front.provider.unseal(text, Purpose.LOGIN, browser=browser)
            cookie, _ = await self._front.provider.login(
                fields.get("name", ""), fields.get("password", ""), previous=self._front.cookies.session(request),
                context=context_of(request.scope))
        except StaleInteractionError:
            return self._front.stale(request)
        except LoginRefusedError:
            return self._login_form(request, text, interaction, browser, failure="login.refused")
        if interaction.query:
            response = await self._authorize.resume(request, interaction.query, cookie.text, interaction.asked_at_us)
        else:
            response = see_other(f"{self._front.base}/login")
        self._front.cookies.set_session(response, cookie.text)
        return response

    def _login_form(self, request: Request, text: str, interaction: Interaction, browser: str, *,
                    failure: str | None = None) -> Response:
        asked = unique(read_pairs(interaction.query))[0] if interaction.query else {}
        response = self._front.pages.render(
            request, "login.html", status=403 if failure else 200, form_target=asked.get("redirect_uri"),
            ui_locales=asked.get("ui_locales"), interaction=text, failure=failure)
        self._front.cookies.set_browser(response, browser)
        return response
