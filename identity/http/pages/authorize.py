"""The authorization endpoint and the consent page."""

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.people.interactions import Purpose, StaleInteractionError
from identity.http.pages.forms import form_fields
from identity.http.pages.front import Front
from identity.http.pages.rendering import see_other
from identity.service.oauth.authorization import ConsentNeeded, LoginNeeded, Outcome, Redirect
from shared_kernel.context import context_of
from shared_kernel.errors import InvalidInputError

SCOPES_WITH_A_MEANING = frozenset({"openid", "profile", "email", "address", "phone", "offline_access", "api"})


class AuthorizeRoutes:
    """Handlers of the authorization endpoint and of consent."""

    def __init__(self, front: Front) -> None:
        self._front = front

    async def authorize(self, request: Request) -> Response:
        """Serve the authorization endpoint (RFC 6749 3.1)."""
        return await self.resume(request, request.url.query, self._front.cookies.session(request), None)

    async def consent_page(self, request: Request) -> Response:
        """Ask whether a third-party client may."""
        text = request.query_params.get("interaction", "")
        try:
            waiting = await self._waiting_consent(request, text)
        except StaleInteractionError:
            return self._front.stale(request)
        if isinstance(waiting, Redirect):
            return see_other(waiting.url)
        t = self._front.pages.translate(request)
        wishes = [t(f"consent.scope_{scope}") if scope in SCOPES_WITH_A_MEANING else scope
                  for scope in sorted(waiting.request.scopes)]
        return self._front.pages.render(
            request, "consent.html", form_target=waiting.request.redirect_uri, interaction=text,
            client=waiting.request.client.name, wishes=wishes, name=waiting.session.user_name)

    async def consent(self, request: Request) -> Response:
        """Carry out the person's choice (303)."""
        fields = await form_fields(request)
        try:
            waiting = await self._waiting_consent(request, fields.get("interaction", ""))
        except StaleInteractionError:
            return self._front.stale(request)
        if isinstance(waiting, Redirect):
            return see_other(waiting.url)
        outcome = await self._front.provider.authorizations.decide_consent(
            waiting, is_allowed=fields.get("decision") == "allow", context=context_of(request.scope))
        return see_other(outcome.url)

    async def resume(self, request: Request, query: str, cookie: str | None,
                     asked_at_us: int | None) -> Response:
        """Answer an authorization request, at its arrival or after a page."""
        try:
            outcome = await self._front.provider.authorizations.answer(query, cookie=cookie, asked_at_us=asked_at_us)
        except InvalidInputError as error:
            return self._front.sorry(request, error.detail, 400)
        return self._follow(request, outcome, query, asked_at_us)

    def _follow(self, request: Request, outcome: Outcome, query: str, asked_at_us: int | None) -> Response:
        if isinstance(outcome, Redirect):
            return see_other(outcome.url)
        browser = self._front.cookies.browser_or_new(request)
        purpose, session = (Purpose.LOGIN, None) if isinstance(outcome, LoginNeeded) else (
            Purpose.CONSENT, outcome.session)
        text = self._front.provider.seal(purpose, query, browser=browser, session=session, asked_at_us=asked_at_us)
        response = see_other(f"{self._front.base}/{purpose}?interaction={text}")
        self._front.cookies.set_browser(response, browser)
        return response

    async def _waiting_consent(self, request: Request, text: str) -> ConsentNeeded | Redirect:
        """Re-read the whole request behind a consent form, for the session it was shown to and no other.

        A Redirect means that nothing waits any more, as after a double click on *allow*.
        """
        interaction = self._front.provider.unseal(text, Purpose.CONSENT, browser=self._front.cookies.browser(request))
        cookie = self._front.cookies.session(request)
        session = await self._front.provider.session(cookie)
        if session is None or session.id != interaction.session_id:
            raise StaleInteractionError
        outcome = await self._front.provider.authorizations.answer(
            interaction.query, cookie=cookie, asked_at_us=interaction.asked_at_us)
        if isinstance(outcome, LoginNeeded):
            raise StaleInteractionError
        return outcome
