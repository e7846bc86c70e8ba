"""The person's side of OAuth: authorize, login, consent and logout, as pages that need no script."""

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.oauth.errors import LoginRefusedError
from identity.domain.oauth.parameters import read_pairs, unique
from identity.domain.people.interactions import Interaction, Purpose, StaleInteractionError
from identity.http.forms import form_fields, form_pairs
from identity.http.pages.cookies import Cookies
from identity.http.pages.rendering import Pages, see_other
from identity.service import IdentityProvider
from identity.service.oauth.authorization import ConsentNeeded, LoginNeeded, Outcome, Redirect
from shared_kernel.context import context_of
from shared_kernel.errors import InvalidInputError

SCOPE_MEANINGS = {
    "openid": "Know who you are",
    "profile": "See your account name",
    "api": "Act for you with your roles on grid data and controls",
}


class BrowserRoutes:
    """Handlers of the pages."""

    def __init__(self, provider: IdentityProvider, pages: Pages, cookies: Cookies, *, base: str) -> None:
        self._provider = provider
        self._pages = pages
        self._cookies = cookies
        self._base = base

    async def authorize(self, request: Request) -> Response:
        """Serve the authorization endpoint (RFC 6749 3.1)."""
        return await self._resume(request, request.url.query, self._cookies.session(request), None)

    async def login_page(self, request: Request) -> Response:
        """Show the login form, or who is logged in."""
        text = request.query_params.get("interaction")
        session = await self._provider.session(self._cookies.session(request))
        if text is None and session is not None:
            return self._pages.render("signed_in.html", name=session.user_name)
        browser = self._cookies.browser_or_new(request)
        if text is None:
            text = self._provider.seal(Purpose.LOGIN, "", browser=browser)
        try:
            interaction = self._provider.unseal(text, Purpose.LOGIN, browser=browser)
        except StaleInteractionError as error:
            return self._sorry(error.detail, 403)
        return self._login_form(text, interaction, browser, failure=None)

    async def login(self, request: Request) -> Response:
        """Take name and password; go on with what the person came for (303)."""
        fields, browser = await form_fields(request), self._cookies.browser(request)
        text = fields.get("interaction", "")
        try:
            interaction = self._provider.unseal(text, Purpose.LOGIN, browser=browser)
            cookie, _ = await self._provider.login(
                fields.get("name", ""), fields.get("password", ""), previous=self._cookies.session(request),
                context=context_of(request.scope))
        except StaleInteractionError as error:
            return self._sorry(error.detail, 403)
        except LoginRefusedError as error:
            return self._login_form(text, interaction, browser, failure=error.detail)
        if interaction.query:
            response = await self._resume(request, interaction.query, cookie.text, interaction.asked_at_us)
        else:
            response = see_other(f"{self._base}/login")
        self._cookies.set_session(response, cookie.text)
        return response

    async def consent_page(self, request: Request) -> Response:
        """Ask whether a third-party client may."""
        text = request.query_params.get("interaction", "")
        try:
            waiting = await self._waiting_consent(request, text)
        except StaleInteractionError as error:
            return self._sorry(error.detail, 403)
        if isinstance(waiting, Redirect):
            return see_other(waiting.url)
        wishes = [SCOPE_MEANINGS.get(scope, scope) for scope in sorted(waiting.request.scopes)]
        return self._pages.render(
            "consent.html", form_target=waiting.request.redirect_uri, interaction=text,
            client=waiting.request.client.name, wishes=wishes, name=waiting.session.user_name)

    async def consent(self, request: Request) -> Response:
        """Carry out the person's choice (303)."""
        fields = await form_fields(request)
        try:
            waiting = await self._waiting_consent(request, fields.get("interaction", ""))
        except StaleInteractionError as error:
            return self._sorry(error.detail, 403)
        if isinstance(waiting, Redirect):
            return see_other(waiting.url)
        outcome = await self._provider.authorizations.decide_consent(
            waiting, is_allowed=fields.get("decision") == "allow", context=context_of(request.scope))
        return see_other(outcome.url)

    async def logout_page(self, request: Request) -> Response:
        """Ask whether to log out (RP-Initiated Logout 2: GET and POST)."""
        query = request.url.query
        try:
            pairs = await form_pairs(request) if request.method == "POST" else read_pairs(query)
            farewell = await self._provider.logouts.farewell(*unique(pairs))
        except InvalidInputError as error:
            return self._sorry(error.detail, 400)
        session = await self._provider.session(self._cookies.session(request))
        if session is None:
            return see_other(farewell.url) if farewell.url else self._pages.render("signed_out.html")
        browser = self._cookies.browser_or_new(request)
        text = self._provider.seal(Purpose.LOGOUT, farewell.url or "", browser=browser, session=session)
        response = self._pages.render("logout.html", form_target=farewell.redirect_uri, interaction=text,
                                      name=session.user_name)
        self._cookies.set_browser(response, browser)
        return response

    async def logout(self, request: Request) -> Response:
        """End the session (303)."""
        fields = await form_fields(request)
        try:
            interaction = self._provider.unseal(fields.get("interaction", ""), Purpose.LOGOUT,
                                                browser=self._cookies.browser(request))
        except StaleInteractionError as error:
            return self._sorry(error.detail, 403)
        session = await self._provider.session(self._cookies.session(request))
        if session is not None and session.id != interaction.session_id:
            return self._sorry(StaleInteractionError().detail, 403)
        if session is not None:
            await self._provider.logouts.end(session, context_of(request.scope))
        response = see_other(interaction.query or f"{self._base}/logout")
        self._cookies.clear_session(response)
        return response

    async def style(self, _: Request) -> Response:
        """Serve the style sheet."""
        return self._pages.static("style.css")

    async def mark(self, _: Request) -> Response:
        """Serve the icon."""
        return self._pages.static("mark.svg")

    async def _resume(self, request: Request, query: str, cookie: str | None,
                      asked_at_us: int | None) -> Response:
        try:
            outcome = await self._provider.authorizations.answer(query, cookie=cookie, asked_at_us=asked_at_us)
        except InvalidInputError as error:
            return self._sorry(error.detail, 400)
        return self._follow(request, outcome, query, asked_at_us)

    def _follow(self, request: Request, outcome: Outcome, query: str, asked_at_us: int | None) -> Response:
        if isinstance(outcome, Redirect):
            return see_other(outcome.url)
        browser = self._cookies.browser_or_new(request)
        purpose, session = (Purpose.LOGIN, None) if isinstance(outcome, LoginNeeded) else (
            Purpose.CONSENT, outcome.session)
        text = self._provider.seal(purpose, query, browser=browser, session=session, asked_at_us=asked_at_us)
        response = see_other(f"{self._base}/{purpose}?interaction={text}")
        self._cookies.set_browser(response, browser)
        return response

    async def _waiting_consent(self, request: Request, text: str) -> ConsentNeeded | Redirect:
        """Re-read the whole request behind a consent form, for the session it was shown to and no other.

        A Redirect means that nothing waits any more, as after a double click on *allow*.
        """
        interaction = self._provider.unseal(text, Purpose.CONSENT, browser=self._cookies.browser(request))
        cookie = self._cookies.session(request)
        session = await self._provider.session(cookie)
        if session is None or session.id != interaction.session_id:
            raise StaleInteractionError
        outcome = await self._provider.authorizations.answer(
            interaction.query, cookie=cookie, asked_at_us=interaction.asked_at_us)
        if isinstance(outcome, LoginNeeded):
            raise StaleInteractionError
        return outcome

    def _login_form(self, text: str, interaction: Interaction, browser: str, *, failure: str | None) -> Response:
        target = unique(read_pairs(interaction.query))[0].get("redirect_uri") if interaction.query else None
        response = self._pages.render("login.html", status=403 if failure else 200, form_target=target,
                                      interaction=text, failure=failure)
        self._cookies.set_browser(response, browser)
        return response

    def _sorry(self, sentence: str, status: int) -> Response:
        return self._pages.render("sorry.html", status=status, sentence=sentence)

